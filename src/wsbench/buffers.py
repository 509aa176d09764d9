"""The record of `wsbench buffers`: what buffers hold when a peer is slow, one type a scenario."""

from typing import Annotated, Literal, get_args

import msgspec

from wsbench.settings import DeflateSettings, Implementation

# What is sent to a slow reader: a corpus, or messages that are made for the purpose.
Payload = Literal["corpus", "small", "text", "binary", "fragmented", "zeros"]
PAYLOADS: tuple[Payload, ...] = get_args(Payload)

Scenario = Literal["slow-reader", "bomb", "slow-client", "broadcast", "application"]
SCENARIOS: tuple[Scenario, ...] = get_args(Scenario)

# Why broadcasting ended.
Stopped = Literal["seconds", "bytes", "stuck", "closed"]

Count = Annotated[int, msgspec.Meta(ge=0)]
Number = Annotated[int, msgspec.Meta(ge=1)]
Seconds = Annotated[float, msgspec.Meta(ge=0)]


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Arguments of websockets' `serve` that limit buffers; None is no limit.

    `max_size` is the largest message in bytes, decompressed; reading pauses when more than
    `max_queue` frames wait; sending waits when more than `write_limit` bytes do. Threads have no
    `write_limit`: there it is None.
    """

    max_size: Count | None
    max_queue: Count | None
    write_limit: Count | None

    def queue_bytes(self) -> int | None:
        """What the queue of received frames may use, as websockets' documentation has it.

        The product of `max_size` and `max_queue` ("Memory and buffers"), None without one of them.
        """
        if self.max_size is None or self.max_queue is None:
            return None
        return self.max_size * self.max_queue


class Keepalive(msgspec.Struct, frozen=True, kw_only=True):
    """Arguments of websockets' `serve` that end dead connections, in seconds; None is never."""

    ping_interval: Seconds | None
    ping_timeout: Seconds | None
    close_timeout: Seconds | None


class SlowReader(msgspec.Struct, frozen=True, kw_only=True):
    """What a connection holds when clients send faster than the handler reads.

    All but `connections` is a mean per connection, at the fullest moment. `messages` and
    `wire_bytes` are what a client could send beyond what the handler took: `queued_frames` wait in
    the queue, `library_bytes` in what reads from the socket (a frame that has not come whole; with
    TLS, what is not decrypted), `server_kernel_bytes` and `client_kernel_bytes` in the kernel's
    buffers at both ends; `accounted` is the share of the wire's bytes that these explain.

    `allocated_bytes` and `resident_bytes` are what the process holds beyond idle connections, which
    take `idle_allocated_bytes`; `peak_bytes` is what the process had allocated at most on the way
    there, while a read was parsed. `explained_bytes` is what the frames in the queue and the
    unfinished one should take. `bound_bytes` is what websockets' documentation says the queue may
    use, `reach_bytes` what one read more can bring it to. `growth` are points of messages sent and
    bytes allocated, up to there. `is_stopped` tells whether the server stopped reading at all.
    """

    settings: DeflateSettings | None
    payload: Payload
    payload_bytes: Count
    limits: Limits
    connections: Number
    messages: float
    wire_bytes: Count
    is_stopped: bool
    queued_frames: float
    library_bytes: Count
    server_kernel_bytes: Count | None
    client_kernel_bytes: Count | None
    socket_memory_bytes: int | None
    accounted: float | None
    idle_allocated_bytes: Count
    allocated_bytes: int
    peak_bytes: int
    explained_bytes: Count
    resident_bytes: int
    bound_bytes: Count | None
    reach_bytes: Count | None
    growth: tuple[tuple[float, int], ...] = ()

    @property
    def of_bound(self) -> float | None:
        """What is allocated, as a multiple of the documented bound."""
        return self.allocated_bytes / self.bound_bytes if self.bound_bytes else None

    @property
    def explained(self) -> float | None:
        """The share of what is allocated that the queue and the library's buffer explain."""
        return self.explained_bytes / self.allocated_bytes if self.allocated_bytes > 0 else None


class Bomb(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of a message of zeros, and what the server allocated for it at most.

    `close_code` is that of the closing frame that answers it, None if it was accepted.
    `bound_bytes` is twice `max_size`, what is read at once, what came over the wire as it was read
    and as it is parsed, and 16 KiB for closing the connection.
    """

    settings: DeflateSettings
    max_size: Count | None
    payload_bytes: Count
    wire_bytes: Count
    is_fragmented: bool
    close_code: int | None
    peak_bytes: int
    bound_bytes: Count | None


class Closing(msgspec.Struct, frozen=True, kw_only=True):
    """How connections of clients that do not read ended, if they did, while they were watched.

    `seconds` is when the last of them was closed, counted from when it was opened, and None if one
    was not. `states` counts the connections by what websockets says they are at the end.
    """

    keepalive: Keepalive
    watched_seconds: Seconds
    seconds: Seconds | None
    states: dict[str, int]


class SlowClient(msgspec.Struct, frozen=True, kw_only=True):
    """What a connection holds when the server sends and the client does not read.

    All but `connections` is a mean per connection, when `send()` returns no more: so many
    `messages` were sent, of which `buffered_bytes` wait in the process, and the rest in the
    kernel's buffers at both ends. Memory is what the process holds beyond idle connections; the
    objects that make up its buffer explain `explained_bytes` of it. Without `is_sending`, nothing
    was sent at all.
    """

    settings: DeflateSettings | None
    write_limit: Count | None
    is_sending: bool
    connections: Number
    messages: float
    buffered_bytes: Count
    server_kernel_bytes: Count | None
    client_kernel_bytes: Count | None
    allocated_bytes: int
    explained_bytes: Count
    resident_bytes: int
    closing: Closing


class Broadcast(msgspec.Struct, frozen=True, kw_only=True):
    """What `websockets.broadcast` piles up for clients that do not read, beside others that do.

    So many `messages` were broadcast in so many `seconds`. After `kernel_seconds`, the kernel took
    no more for the connections that are stuck, and the process' buffer of each grew, by bytes a
    second and a message; None if it did not come to that. In the end, `kernel_bytes` waited in the
    kernel for each of them and `buffered_bytes` in the process, where `fast_buffered_bytes` waited
    for each of the others, and the process had grown by `resident_bytes` in all. `stopped` tells
    why it ended: the time or the memory was up, broadcasting got stuck itself, or connections were
    closed.
    """

    settings: DeflateSettings | None
    write_limit: Count | None
    fast: Count
    stuck: Number
    rate: float | None
    messages: Count
    seconds: Seconds
    kernel_seconds: Seconds | None
    kernel_bytes: Count | None
    growth_bytes_per_second: float | None
    growth_bytes_per_message: float | None
    buffered_bytes: Count
    fast_buffered_bytes: Count
    resident_bytes: int
    stopped: Stopped
    closing: Closing


class Application(msgspec.Struct, frozen=True, kw_only=True):
    """The resident memory of a server process, in parts that add up to it, and what is allocated.

    `process_bytes` is what the process takes whatever the number of connections. Each of
    `connections` takes `connection_bytes` of websockets after it has sent `messages` messages, and
    the handler adds `application_bytes` to that. Then `stuck` of them send without reading, which
    adds `buffer_bytes` for each, and makes `total_bytes` in all. `kernel_bytes` is what the kernel
    then holds beside it, at both ends. Unless `is_stopped`, the handler went on reading all the
    same, and what it added is its own.
    """

    settings: DeflateSettings | None
    handler: str
    app_bytes: Count
    connections: Number
    stuck: Number
    messages: Count
    process_bytes: Count
    connection_bytes: int
    application_bytes: int
    buffer_bytes: int
    total_bytes: Count
    connection_allocated_bytes: int
    application_allocated_bytes: int
    buffer_allocated_bytes: int
    kernel_bytes: Count | None
    is_stopped: bool = True


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """The smallest limits that are safe for a corpus, and what they cost at the worst.

    The largest message of the corpus has `largest_bytes`, 95 % of them have at most `p95_bytes`,
    and a client may send `burst` of them at once. With `limits`, an idle connection has allocated
    `idle_bytes`; where clients send these messages without end, up to `queued_frames` wait and it
    allocates up to `connection_bytes`; where one sends what takes most room, up to
    `hostile_bytes`. There are `connections` of them.
    """

    settings: DeflateSettings | None
    largest_bytes: Count
    p95_bytes: Count
    burst: Number
    connections: Number
    limits: Limits
    queued_frames: Count
    idle_bytes: Count
    connection_bytes: Count
    hostile_bytes: Count


class Buffers(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured of buffers, scenario by scenario.

    `defaults` and `keepalive` are those of the installed websockets, `receive_buffer_bytes` is
    SO_RCVBUF of the server's sockets unless the system chose, and `read_bytes` how much it can read
    at once.
    """

    implementation: Implementation
    tls: bool
    defaults: Limits
    keepalive: Keepalive
    read_bytes: Number
    seconds: Seconds
    receive_buffer_bytes: Count | None = None
    slow_readers: tuple[SlowReader, ...] = ()
    bombs: tuple[Bomb, ...] = ()
    slow_clients: tuple[SlowClient, ...] = ()
    broadcasts: tuple[Broadcast, ...] = ()
    applications: tuple[Application, ...] = ()
    advice: Advice | None = None
