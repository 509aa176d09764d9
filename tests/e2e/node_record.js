// A server and a client on ws that note all that they see.
//
// Prints the port of the server. Then, for each line `URL COMPRESSION-OF-CLIENT
// COMPRESSION-OF-SERVER` (on or off) of standard input, connects to the server at that URL once for
// each of `cases`, and prints what either side has seen, as JSON.

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import readline from 'node:readline';

import WebSocket, { WebSocketServer } from 'ws';

const MESSAGES = [
  'hello',
  'größer 🚀',
  '',
  Buffer.from([0, 255, 128]),
  Buffer.alloc(0),
  'größer 🚀'.repeat(5000),
  Buffer.from('0123456789'.repeat(7000)),
];

// What a client says of itself, and what a server has to see of it.
const SAID = {
  Origin: 'https://app.test',
  'User-Agent': 'node_record/1.0',
  Cookie: 'session=a1b2; theme=dark',
  'X-Custom': 'some, thing',
  'x-Case': 'kept',
  'X-Many': ['1', '2'],
  'X-Name': 'gr\u00fc\u00df', // sent as ISO-8859-1
  Authorization: 'Bearer abc',
};
const ANSWERED = ['Set-Cookie: a=1; HttpOnly', 'Set-Cookie: b=2', 'X-Served-By: node'];

// Of the case that is under way: what either side has seen, and its ends.
let seen;
let serverEnded;

function shown(data, isBinary) {
  const text = isBinary ? data.toString('hex') : data.toString();
  return text.length < 100 ? text : createHash('sha256').update(text).digest('hex');
}

/** Notes what happens to one end of a connection. */
function note(connection, events) {
  connection.on('message', (data, isBinary) => {
    events.push([isBinary ? 'binary' : 'text', shown(data, isBinary)]);
  });
  connection.on('ping', (data) => events.push(['ping', data.toString()]));
  connection.on('pong', (data) => events.push(['pong', data.toString()]));
  connection.on('close', (code, reason) => events.push(['close', code, reason.toString()]));
  connection.on('error', (error) => events.push(['error', error.message]));
}

const CASES = {
  talk: {
    async client(connection) {
      for (const message of MESSAGES) {
        connection.send(message);
        await once(connection, 'message');
      }
      connection.send('ein', { fin: false });
      connection.ping('amid');
      connection.send(' Satz', { fin: true });
      await once(connection, 'message');
      connection.ping('from the client');
      await once(connection, 'pong');
      connection.send('ping me');
      await once(connection, 'message');
      connection.close(1000, 'done');
    },
    server(connection) {
      connection.send('welcome');
      connection.on('pong', (data) => {
        if (data.toString() === 'from the server') connection.send('ponged');
      });
      connection.on('message', (data, isBinary) => {
        if (data.toString() === 'ping me') {
          connection.ping('from the server');
        } else {
          connection.send(data, { binary: isBinary, fin: false });
          connection.ping('amid it');
          connection.send(isBinary ? Buffer.from('!') : '!', { fin: true });
        }
      });
    },
  },
  'client-closes-without-code': { client: (connection) => connection.close(), server() {} },
  'client-closes-with-4001': {
    client: (connection) => connection.close(4001, 'Gründe'),
    server() {},
  },
  'client-terminates': { client: (connection) => connection.terminate(), server() {} },
  'server-closes': { client() {}, server: (connection) => connection.close(1000) },
  'server-closes-without-code': { client() {}, server: (connection) => connection.close() },
  'server-closes-with-4001': {
    client() {},
    server: (connection) => connection.close(4001, 'Gründe'),
  },
  'server-terminates': { client() {}, server: (connection) => connection.terminate() },
  'messages-cross-the-close': {
    client(connection) {
      connection.send('more');
      connection.close(1000);
    },
    server: (connection) =>
      connection.on('message', () => {
        for (let number = 0; number < 3; number += 1) connection.send(`late ${number}`);
      }),
  },
  rejected: {
    reject: (socket) =>
      socket.end(
        'HTTP/1.1 401 No Token\r\nWWW-Authenticate: Basic realm="test"\r\nX-Why: gr\xfcnde\r\n' +
          'Set-Cookie: a=1\r\nContent-Length: 5\r\n\r\nnope\n',
        'latin1',
      ),
  },
  // As the documentation of ws shows it.
  'rejected-without-length': {
    reject(socket) {
      socket.write('HTTP/1.1 401 Unauthorized\r\n\r\n');
      socket.destroy();
    },
  },
  'rejected-in-chunks': {
    reject: (socket) =>
      socket.end(
        'HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nnot\r\n4\r\n you\r\n0\r\n\r\n',
      ),
  },
  redirected: {
    reject: (socket) =>
      socket.end('HTTP/1.1 302 Found\r\nLocation: /elsewhere?x=1\r\nContent-Length: 0\r\n\r\n'),
  },
};

const server = http.createServer();
const endpoints = Object.fromEntries(
  ['on', 'off'].map((compression) => [
    compression,
    new WebSocketServer({
      noServer: true,
      perMessageDeflate: compression === 'on' ? { threshold: 0 } : false,
      handleProtocols: (offered) => (offered.has('v1.chat') ? 'v1.chat' : false),
    }),
  ]),
);
for (const endpoint of Object.values(endpoints)) {
  endpoint.on('headers', (headers) => headers.push(...ANSWERED));
}

server.on('upgrade', (request, socket, head) => {
  const [, name, compression] = request.url.split(/[/?]/);
  const { rawHeaders } = request;
  const said = rawHeaders.flatMap((header, index) =>
    index % 2 === 0 && header in SAID ? [`${header}: ${rawHeaders[index + 1]}`] : [],
  );
  const offered = request.headers['sec-websocket-protocol'].split(/, */);
  seen.server.push(['request', request.url, said, offered]);
  if (CASES[name].reject) {
    socket.on('close', serverEnded);
    CASES[name].reject(socket);
    return;
  }
  endpoints[compression].handleUpgrade(request, socket, head, (connection) => {
    note(connection, seen.server);
    seen.negotiated.server = connection.extensions;
    connection.on('close', serverEnded);
    CASES[name].server(connection);
  });
});

async function connect(url, name, compression, compressionOfServer) {
  seen = { client: [], server: [], negotiated: {} };
  const serverEnd = new Promise((resolve) => {
    serverEnded = resolve;
  });
  const query = 'a=1&b=%C3%A4&b=';
  const connection = new WebSocket(
    `${url}${name}/${compressionOfServer}/%2F?${query}`,
    ['v2.chat', 'v1.chat'],
    { perMessageDeflate: compression === 'on' ? { threshold: 0 } : false, headers: SAID },
  );
  const clientEnd = new Promise((resolve) => {
    connection.on('close', resolve);
    connection.on('unexpected-response', async (_, response) => {
      const { headers } = response;
      let body = '';
      for await (const part of response) body += part;
      const names = ['x-why', 'set-cookie', 'www-authenticate', 'location'];
      seen.client.push(['rejected', response.statusCode, response.statusMessage, body]);
      seen.client.push(names.map((name) => headers[name]));
      resolve();
    });
  });
  note(connection, seen.client);
  connection.on('upgrade', ({ headers }) => {
    seen.client.push(['answer', headers['set-cookie'], headers['x-served-by']]);
  });
  connection.on('open', () => {
    seen.client.push(['open', connection.protocol]);
    seen.negotiated.client = connection.extensions;
    const welcomed = name === 'talk' ? once(connection, 'message') : null;
    Promise.resolve(welcomed).then(() => CASES[name].client(connection));
  });
  await Promise.all([clientEnd, serverEnd]);
  return seen;
}

server.listen(0, '127.0.0.1', () => console.log(server.address().port));
for await (const line of readline.createInterface({ input: process.stdin })) {
  const [url, ...compression] = line.split(' ');
  const all = {};
  for (const name of Object.keys(CASES)) all[name] = await connect(url, name, ...compression);
  console.log(JSON.stringify(all));
}
server.close();
