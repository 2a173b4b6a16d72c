"""YAML is data, of bounded size, and nothing else."""

import pytest

from interflow.config.document import LARGEST_DEPTH, LARGEST_SIZE, parse, read
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


def test_depth_is_bounded():
    def nested(levels):
        return "a: " + "[" * levels + "]" * levels

    parse(nested(LARGEST_DEPTH - 1))
    assert "deeper" in problem(nested(LARGEST_DEPTH)).came
    assert "deeper" in problem(nested(50_000)).came


def test_size_is_bounded_without_reading_the_rest(tmp_path):
    file = tmp_path / "large.yaml"
    file.write_bytes(b"a: " + b"x" * LARGEST_SIZE)
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
