"""game: binary world snapshots and voice, as a game server sends them to one player."""

import random
import struct
from collections.abc import Iterator

from wsbench.corpus.model import Message

_HEADER = struct.Struct("<BIIH")  # kind, tick, last acknowledged input, number of entities
_ENTITY = struct.Struct("<HhhhBbbBH")  # id, x, y, z, yaw, speed x and y, animation, health
_VOICE = struct.Struct("<BHHB")  # kind, speaker, sequence, number of bytes


class _Entity:
    """Something that moves: position in 1/16 metre, yaw in 1/256 turn."""

    def __init__(self, rng: random.Random, number: int) -> None:
        self.number = number
        self.x, self.y = rng.randrange(-30_000, 30_000), rng.randrange(-30_000, 30_000)
        self.z = rng.randrange(0, 400)
        self.yaw = rng.randrange(256)
        self.speed_x = self.speed_y = self.animation = 0
        self.health = 1000

    def move(self, rng: random.Random) -> None:
        """One tick of walking, turning, sometimes being hit."""
        if rng.random() < 0.1:
            self.speed_x, self.speed_y = rng.randrange(-90, 91), rng.randrange(-90, 91)
            self.animation = rng.randrange(12)
            self.yaw = rng.randrange(256)
        self.x = max(-32_768, min(32_767, self.x + self.speed_x))
        self.y = max(-32_768, min(32_767, self.y + self.speed_y))
        if rng.random() < 0.03:
            self.health = max(0, self.health - rng.randrange(10, 200)) or 1000

    def pack(self) -> bytes:
        """The entity as it stands in a snapshot."""
        return _ENTITY.pack(
            self.number,
            self.x,
            self.y,
            self.z,
            self.yaw,
            self.speed_x,
            self.speed_y,
            self.animation,
            self.health,
        )


def game(rng: random.Random) -> Iterator[Message]:
    """Snapshots of the 12 to 40 entities near the player, one message in six a voice frame."""
    entities = [_Entity(rng, rng.randrange(65_536)) for _ in range(64)]
    tick, voice_sequence = rng.randrange(10**5, 10**6), 0
    visible = rng.sample(entities, 24)
    while True:
        if rng.random() < 1 / 6:
            # A voice codec's output has no redundancy left that deflate could find.
            voice = rng.randbytes(rng.randrange(40, 120))
            voice_sequence = (voice_sequence + 1) % 65_536
            speaker = visible[0].number
            yield Message(_VOICE.pack(2, speaker, voice_sequence, len(voice)) + voice, False)
            continue
        tick += 1
        if rng.random() < 0.05:
            visible = rng.sample(entities, rng.randrange(12, 41))
        for entity in entities:
            entity.move(rng)
        header = _HEADER.pack(1, tick, tick - rng.randrange(2, 6), len(visible))
        yield Message(header + b"".join(entity.pack() for entity in visible), False)
