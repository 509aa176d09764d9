"""chat: what a group chat server pushes to one member."""

import random
from collections.abc import Iterator

from wsbench.corpus.kinds.encoding import iso_time, json_message
from wsbench.corpus.kinds.prose import paragraph
from wsbench.corpus.model import Message

_NAMES = """
Amara Okafor|Ben Whitfield|Chloé Dubois|Dmitri Sokolov|Elif Yılmaz|Fatima Zahra|Gustav Lindqvist|
Hanna Müller|Ivo Novák|Jun Takahashi|Kaveh Rostami|Léa Fontaine|Mateo García|Nadia Haddad|
Ólafur Jónsson|Priya Raman|Quinn Harper|Rosa Almeida|Søren Kjær|Tomasz Wójcik|Uma Patel|
Viktor Hansen|Wei Chen|美咲 田中|Yusuf Demir|Zoë van Dijk
""".replace("\n", "").split("|")
_CHANNELS = ("general", "backend", "incidents", "design", "random", "release-2-4")
_EMOJI = ("👍", "🎉", "😂", "❤️", "🚀", "👀", "✅", "🤔", "🙏", "🔥")


def chat(rng: random.Random) -> Iterator[Message]:
    """Messages, edits, reactions, typing and presence of 26 people in 6 channels."""
    users = [
        {
            "id": str(rng.randrange(10**17, 10**18)),
            "name": name,
            "avatar": f"https://cdn.example.com/avatars/{rng.randrange(16**16):016x}.webp",
        }
        for name in _NAMES
    ]
    channels = [{"id": str(rng.randrange(10**17, 10**18)), "name": name} for name in _CHANNELS]
    message_id = rng.randrange(10**17, 10**18)
    recent_ids = [str(message_id)]
    elapsed_seconds = 0.0
    sequence = rng.randrange(1000, 9000)
    while True:
        elapsed_seconds += rng.expovariate(1 / 7)
        sequence += 1
        user, channel = rng.choice(users), rng.choice(channels)
        event, data = _event(rng, user, channel, recent_ids)
        if event == "message.created":
            message_id += rng.randrange(10**5, 10**9)
            recent_ids = [*recent_ids[-19:], str(message_id)]
            data["id"] = str(message_id)
        yield json_message(
            {"type": event, "seq": sequence, "ts": iso_time(elapsed_seconds), "data": data}
        )


def _event(
    rng: random.Random,
    user: dict[str, str],
    channel: dict[str, str],
    recent_ids: list[str],
) -> tuple[str, dict[str, object]]:
    """The name and the content of one event."""
    place = {"channel_id": channel["id"]}
    draw = rng.random()
    if draw < 0.55:
        text = paragraph(rng, rng.choice((1, 1, 1, 2, 2, 3)))
        if rng.random() < 0.2:
            text += " " + rng.choice(_EMOJI)
        if rng.random() < 0.1:
            text += f" https://git.example.com/core/api/pull/{rng.randrange(100, 4000)}"
        if rng.random() < 0.15:
            text = f"@{rng.choice(_NAMES)} " + text
        return "message.created", {
            "id": "",
            **place,
            "author": user,
            "text": text,
            "reply_to": rng.choice(recent_ids) if rng.random() < 0.2 else None,
            "attachments": [],
        }
    if draw < 0.60:
        return "message.edited", {
            "id": rng.choice(recent_ids),
            **place,
            "text": paragraph(rng, 1),
        }
    if draw < 0.73:
        return "reaction.added", {
            "message_id": rng.choice(recent_ids),
            **place,
            "user_id": user["id"],
            "emoji": rng.choice(_EMOJI),
        }
    if draw < 0.90:
        return "typing.started", {**place, "user_id": user["id"]}
    return "presence.changed", {
        "user_id": user["id"],
        "status": rng.choice(("online", "idle", "offline")),
    }
