"""Corpora of pictures: folders and tars with a list of captions, and emoji."""

import io
import tarfile
from collections import Counter
from pathlib import Path

import PIL.Image
import pytest

from seq2seq.config import DataConfig
from seq2seq.corpus.captions import image_reader, read_captions
from seq2seq.corpus.pairs import Pair
from seq2seq.corpus.prepared import prepare
from seq2seq.errors import CorpusError
from seq2seq.recipe import load_recipe

LINES = ["image\tsplit\tcaption", "a.png\ttrain\tone", "a.png\ttrain\ttwo"]
LINES += [f"v{number}.png\tvalid\tcaption {number}" for number in range(4)]


def png() -> bytes:
    stream = io.BytesIO()
    PIL.Image.new("RGB", (8, 8)).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def corpus(tmp_path: Path) -> DataConfig:
    (tmp_path / "captions.tsv").write_text("\n".join(LINES) + "\n", encoding="utf-8")
    return DataConfig(format="pictures", path=str(tmp_path))


def test_several_captions_a_picture(corpus: DataConfig) -> None:
    assert list(read_captions(corpus, "train", Counter())) == [Pair("a.png", "one"), Pair("a.png", "two")]


def test_a_split_is_shared_out_by_picture(corpus: DataConfig) -> None:
    first, second = (list(read_captions(corpus, part, Counter())) for part in ("valid[:50%]", "valid[50%:]"))
    assert [pair.src for pair in first] == ["v0.png", "v1.png"]
    assert [pair.src for pair in second] == ["v2.png", "v3.png"]


@pytest.mark.parametrize(
    ("line", "part", "expected"),
    [
        ("only two\tcells", "train", "line 8: expected image, split and caption"),
        ("x.png\ttrain\tx", "tset", "no caption belongs to the split 'tset'"),
        ("x.png\ttrain\tx", "valid[50%", "expected|found 'valid"),
    ],
)
def test_mistakes_are_named(line: str, part: str, expected: str, corpus: DataConfig) -> None:
    with (Path(corpus.path) / "captions.tsv").open("a", encoding="utf-8") as stream:
        stream.write(line + "\n")
    with pytest.raises(CorpusError, match=expected):
        list(read_captions(corpus, part, Counter()))


@pytest.mark.parametrize("where", ["folder", "images", "tar"])
def test_pictures_lie_in_a_folder_or_a_tar(where: str, corpus: DataConfig) -> None:
    folder = Path(corpus.path)
    if where == "tar":
        with tarfile.open(folder / "images.tar", "w") as archive:
            member = tarfile.TarInfo("./a.png")
            member.size = len(png())
            archive.addfile(member, io.BytesIO(png()))
    else:
        inside = folder / "images" if where == "images" else folder
        inside.mkdir(exist_ok=True)
        (inside / "a.png").write_bytes(png())
    read = image_reader(corpus)
    assert read("a.png") == png()
    with pytest.raises(CorpusError, match=r"b\.png"):
        read("b.png")


def test_names_do_not_lead_out_of_the_folder(corpus: DataConfig) -> None:
    with pytest.raises(CorpusError, match="lies outside"):
        image_reader(corpus)("../../etc/passwd")


def test_a_hub_data_set_in_its_own_format(tmp_path: Path) -> None:
    """The columns of jxie/flickr8k, from a local folder: ``datasets`` treats both alike."""
    import datasets

    rows = {
        "image": [{"bytes": png(), "path": None} for _ in range(2)],
        "caption_0": ["a dog", "a cat"],
        "caption_1": ["the dog", "the cat"],
    }
    table = datasets.Dataset.from_dict(rows).cast_column("image", datasets.Image(decode=False))
    table.to_parquet(tmp_path / "train.parquet")
    data = DataConfig(format="hub-pictures", path=str(tmp_path), src="image", tgt="caption_")
    pairs = list(read_captions(data, "train", Counter()))
    assert pairs == [
        Pair("train/0", "a dog"),
        Pair("train/0", "the dog"),
        Pair("train/1", "a cat"),
        Pair("train/1", "the cat"),
    ]
    assert image_reader(data)("train/1") == png()
    wrong = DataConfig(format="hub-pictures", path=str(tmp_path), src="picture", tgt="caption_")
    with pytest.raises(CorpusError, match="expected a column 'picture'"):
        list(read_captions(wrong, "train", Counter()))


@pytest.mark.slow
def test_emoji_have_names_in_four_languages_and_no_skin_tones() -> None:
    folder = str(Path(__file__).parents[2] / "data")
    named = {
        language: list(read_captions(DataConfig(format="emoji", path=language, directory=folder), "train", Counter()))
        for language in ("en", "de", "es", "fr")
    }
    assert len(named["en"]) == 1918
    for language, pairs in named.items():
        pictures = [pair.src for pair in pairs]
        assert len(set(pictures)) == len(pictures), language
        assert not any(f"{tone:x}" in name.split("-") for name in pictures for tone in range(0x1F3FB, 0x1F400))
        assert not any(pair.tgt.startswith(":") or "_" in pair.tgt for pair in pairs)
    assert Pair("1f436.png", "dog face") in named["en"]
    assert image_reader(DataConfig(format="emoji", path="en", directory=folder))("1f436.png").startswith(b"\x89PNG")


def hub(folder: Path, **columns: list) -> DataConfig:
    """A table on disk; pictures are bytes, or names of files."""
    import datasets

    datasets.Dataset.from_dict(columns).to_parquet(folder / "train.parquet")
    return DataConfig(format="hub-pictures", path=str(folder), src="image", tgt="caption")


def test_what_is_no_caption_is_left_out_counted_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = {"bytes": png(), "path": None}
    data = hub(
        tmp_path,
        image=[picture] * 5,
        caption=[["one", None], None, [" ", "two"], ["three"], []],
        caption_numbers=[1, 2, None, 3, 4],
        caption_nested=[[["deep"]], [[]], None, [None], []],
    )
    dropped: Counter[str] = Counter()
    assert [pair.tgt for pair in read_captions(data, "train", dropped)] == ["one", "two", "three"]
    # A null, a null column, a blank; five numbers; a list within a list twice, null twice.
    assert dropped == {"no text": 3 + 5 + 4}
    warning = capsys.readouterr().err.splitlines()[-1]
    assert "12 records without text" in warning
    assert "split 'train', row 1" in warning


def test_columns_of_numbers_alone_are_refused(tmp_path: Path) -> None:
    data = hub(tmp_path, image=[None] * 2, caption=[1, 2])
    with pytest.raises(CorpusError, match="expected text"):
        list(read_captions(data, "train", Counter()))


def test_a_table_that_breaks_off_is_refused_with_the_row(tmp_path: Path) -> None:
    data = hub(tmp_path, image=[None] * 3, caption=["one", "twotwo", "three"])
    path = tmp_path / "train.parquet"
    path.write_bytes(path.read_bytes().replace(b"twotwo", b"tw\xff\xfewo"))
    with pytest.raises(CorpusError, match=r"split 'train'.* breaks off at row"):
        list(read_captions(data, "train", Counter()))


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ([{"bytes": None, "path": None}, None], "expected a picture, found"),
        ([1, 2], "expected a picture, found 1"),
        ([["a.png"], ["b.png"]], "expected a picture, found"),
        (["../secret.png", "/etc/hostname"], "lies outside"),
        (["none.png", "no/ne.png"], "there is no file"),
    ],
    ids=["null", "numbers", "lists", "outside", "missing"],
)
def test_what_is_no_picture_of_the_table_is_named(column: list, expected: str, tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(png())
    folder = tmp_path / "table"
    folder.mkdir()
    read = image_reader(hub(folder, image=column, caption=["one", "two"]))
    for number in range(2):
        with pytest.raises(
            CorpusError, match="expected a picture, found" if expected.startswith("expected") else expected
        ):
            read(f"train/{number}")


def test_a_table_may_name_files_beside_it(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.png").write_bytes(png())
    lines = '{"image": "pictures/a.png", "caption": "one"}\n{"image": null, "caption": "two"}\n'
    (tmp_path / "train.jsonl").write_text(lines, encoding="utf-8")
    read = image_reader(DataConfig(format="hub-pictures", path=str(tmp_path), src="image", tgt="caption"))
    assert read("train/0") == png()
    with pytest.raises(CorpusError, match="train/1: expected a picture, found None"):
        read("train/1")


def test_one_picture_of_any_kind_never_stops_a_corpus(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nulls, damaged files and names that lead elsewhere are left out by name; the rest is the corpus."""
    picture = {"bytes": png(), "path": None}
    bad = [
        {"bytes": b"no picture", "path": None},
        {"bytes": None, "path": "/etc/hostname"},
        {"bytes": None, "path": None},
    ]
    data = hub(tmp_path, image=[picture, *bad] * 12, caption=[f"caption {number % 5}" for number in range(48)])
    settings = {"format": data.format, "path": data.path, "src": data.src, "tgt": data.tgt, "train": "train"}
    settings |= {"validation": "", "test": "", "validation_size": 12, "test_size": 12, "directory": tmp_path / "data"}
    overrides = [f"data.{name}={value}" for name, value in settings.items()]
    prepared = prepare(load_recipe("flickr8k", [*overrides, "subword.vocab_size=10"]))
    assert set(prepared.images) == {f"train/{number}" for number in range(0, 48, 4)}
    assert prepared.report["validation"] + prepared.report["test"] + prepared.report["kept"] == 12
    assert capsys.readouterr().err.count("left out: ") == 36
