// An echo server on ws, for Node.js.
//
//     npm install --prefix examples/servers/node_ws
//     node examples/servers/node_ws/server.js --port 8801
//
// What `perMessageDeflate: true` amounts to in ws 8.23.0: both windows of 15 bits, unless the
// client asks for smaller ones; Node's defaults, memory level 8 and level 6; the context is kept.
// A connection's compressor is made at its first message, and works in Node's thread pool, with at
// most 10 messages of all connections there at a time (`concurrencyLimit`).

import { parseArgs } from 'node:util';

import { WebSocketServer } from 'ws';

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '8801' },
    compression: { type: 'string', default: 'on' },
  },
});
if (!['on', 'off'].includes(values.compression)) {
  console.error(`--compression is on or off, not ${values.compression}`);
  process.exit(2);
}

const server = new WebSocketServer({
  host: '127.0.0.1',
  port: Number(values.port),
  path: '/',
  // As `true`, but for the threshold: when the client has asked for no context takeover, and only
  // then, ws sends messages under 1024 bytes uncompressed. What is measured is compression, so that
  // here it is every message that is compressed, as the other servers do.
  perMessageDeflate: values.compression === 'on' ? { threshold: 0 } : false,
});

server.on('connection', (connection) => {
  connection.on('message', (data, isBinary) => connection.send(data, { binary: isBinary }));
  // What a client does wrong ends its connection; unheard, the event would end the process.
  connection.on('error', (error) => console.error(error.message));
});

process.on('SIGTERM', () => {
  server.close();
  for (const connection of server.clients) connection.close(1001);
  // A client that no longer reads does not answer; its connection ends with the process.
  setTimeout(() => process.exit(), 1000).unref();
});
