"""YAML is data, of bounded size, and nothing else."""

import pytest
from pydantic_core import PydanticCustomError

from interflow.config.document import MAX_BYTES, MAX_DEPTH, parse, parse_assignment, read
from interflow.config.fields import parse_integer, parse_number
from interflow.config.problems import InvalidConfigError


def problem(text):
    with pytest.raises(InvalidConfigError) as caught:
        parse(text, "file.yaml")
    (found,) = caught.value.problems
    return found


def test_every_field_knows_its_line():
    document = parse("a: 1\nb:\n  c: [1, 2]\n", "file.yaml")
    assert document.places["b", "c", 1] == "file.yaml:3"


@pytest.mark.parametrize("tag", ["!!python/object:os.system", "!!python/name:os.system", "!!float", "!own"])
def test_a_tag_is_refused(tag):
    assert "tag" in problem(f"a: {tag} x").came


def test_an_alias_is_refused_before_it_multiplies():
    bomb = "a: &a [x, x]\n" + "".join(f"b{i}: &b{i} [*{'a' if i == 0 else f'b{i - 1}'}]\n" for i in range(40))
    assert problem(bomb).came == "the alias *a"


def test_a_repeated_key_is_refused_at_its_line():
    found = problem("a:\n  b: 1\n  b: 2\n")
    assert (found.path, found.place) == (("a", "b"), "file.yaml:3")


@pytest.mark.parametrize("key", ["1", "on", "null", "[a]", "{a: b}", "<<"])
def test_a_key_that_is_not_text_is_refused(key):
    assert "key" in problem(f"? {key}\n: 1").came


@pytest.mark.parametrize(
    ("written", "means"),
    [
        ("010", "8"),
        ("0x10", "16"),
        ("0b11", "3"),
        ("1_000", "1000"),
        ("1:30", "90"),
        ("1:30.5", "90.5"),
        ("1_0.5", "10.5"),
        ("yes", "true"),
        ("No", "false"),
        ("on", "true"),
        ("OFF", "false"),
        ("2020-01-02", "a date"),
        ("2020-01-02 03:04:05", "a date"),
    ],
)
def test_what_yaml_takes_for_something_else_is_refused_with_what_to_write(written, means):
    found = problem(f"run:\n  steps: {written}")
    assert (found.path, found.place) == (("run", "steps"), "file.yaml:2")
    assert f"{written}', which YAML takes for {means}" in found.came
    assert f"'{written}' in quotes" in found.remedy
    assert parse(f"run: '{written}'").data == {"run": written}
    with pytest.raises(InvalidConfigError, match=r"run\.steps: got .* which YAML takes for"):
        parse_assignment(f"run.steps={written}")


def test_plain_numbers_and_truths_are_read():
    written = "[0, -7, +3, 12, 0.5, -1.e+3, .5, 1.5e-3, true, False, null, .inf]"
    assert parse(f"a: {written}").data["a"] == [
        0, -7, 3, 12, 0.5, -1e3, 0.5, 1.5e-3, True, False, None, float("inf"),
    ]  # fmt: skip


@pytest.mark.parametrize("slip", ["0o10", "08", "1_000", "0x10", "１０", "1_0e3", "", ".", "+", "e5"])
def test_text_that_is_no_decimal_number_is_not_taken_for_one(slip):
    for model in (parse_number, parse_integer):
        with pytest.raises(PydanticCustomError):
            model(slip)


def test_depth_is_bounded():
    def nested(levels):
        return "a: " + "[" * levels + "]" * levels

    parse(nested(MAX_DEPTH - 1))
    assert "deeper" in problem(nested(MAX_DEPTH)).came
    assert "deeper" in problem(nested(50_000)).came


def test_size_is_bounded_without_reading_the_rest(tmp_path):
    file = tmp_path / "large.yaml"
    file.write_bytes(b"a: " + b"x" * MAX_BYTES)
    with pytest.raises(InvalidConfigError, match="at most"):
        read(file)


@pytest.mark.parametrize(
    "text",
    ["", "- 1", "just text", "a: [", "a: 1\n---\nb: 2", "a: 2020-99-99", "\x00", "a: '", f"a: {'9' * 5000}", "a: ="],
)
def test_what_is_no_mapping_in_yaml_is_refused(text):
    assert problem(text).place.startswith("file.yaml")


def test_a_missing_file_a_folder_and_bytes_are_refused(tmp_path):
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    for name in ("missing.yaml", ".", "bytes.yaml"):
        with pytest.raises(InvalidConfigError):
            read(tmp_path / name)
