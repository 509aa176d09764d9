from wsbench.corpus import Corpus, Message, Stream
from wsbench.corpus.kinds import generate
from wsbench.measure.description import describe
from wsbench.report.corpus import render_description


def rendered(corpus: Corpus, *, blocks: bool = False) -> list[str]:
    return render_description(describe(corpus), blocks=blocks).splitlines()


def test_the_histogram_has_a_bar_as_long_as_its_share() -> None:
    messages = [Message(b"x" * size, True) for size in [*[5] * 40, *[0] * 10, *[40] * 20, 70]]
    lines = rendered(Corpus.of_messages("c", messages))
    bars = {
        line.partition("#")[0].strip(): line.count("#")
        for line in lines
        if "#" in line or line.strip().startswith(("2 to 3", "8 to 15"))
    }
    counted = {name.rsplit(None, 1)[0]: (int(name.split()[-1]), bar) for name, bar in bars.items()}
    assert counted["0"] == (10, 10)
    assert counted["2 to 3"] == (0, 0)
    assert counted["4 to 7"] == (40, 40)
    assert counted["32 to 63"] == (20, 20)
    # What is there is seen, however little it is.
    assert counted["64 to 127"] == (1, 1)


def test_one_stream_has_no_list_of_streams() -> None:
    lines = rendered(generate("chat", messages=50))
    assert lines[3] == "Streams:      1, sent by the server"
    assert not any(line.startswith("Connection") for line in lines)
    assert any(line.startswith("Suggested (*): ") for line in lines)


def test_more_streams_than_are_listed_are_counted() -> None:
    streams = [Stream((Message(b"hello", True),), "client", number) for number in range(12)]
    lines = rendered(Corpus("c", tuple(streams)))
    assert lines[3] == "Streams:      12 of 12 connections, sent by the client"
    assert "and 2 smaller streams" in lines


def test_what_does_not_compress_is_not_to_be_compressed() -> None:
    noise = bytes(n * n % 251 ^ n >> 3 & 255 for n in range(97))
    lines = rendered(Corpus.of_messages("c", [Message(noise, False)]))
    assert lines[-1].startswith("Suggested: off.")
