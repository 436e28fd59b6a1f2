"""A valid configuration is loaded, an invalid one is rejected with one sentence."""

import json
from pathlib import Path

import pytest

from pipeline.config.backfill import scheduled_runs
from pipeline.config.errors import ConfigError
from pipeline.config.load import check_for_run, check_for_stream, check_reachable, load_config
from transforms.fetch import FetchConfig

GOOD = """
name: daily
lake: {lake}
sources:
  - {{type: urls, path: {folder}/urls.txt}}
  - {{type: feeds, urls: [http://site.example/feed]}}
fetch: {{delay_seconds: 2, user_agent: "${{AGENT:-onrecord-test/1 (+https://site.example)}}"}}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "urls.txt").write_text("http://site.example/1\n")
    file = tmp_path / "daily.yaml"
    file.write_text(GOOD.format(folder=tmp_path, lake=tmp_path / "lake"))
    return file


def test_valid_file_is_loaded(path: Path) -> None:
    config = load_config(str(path))
    assert config.name == "daily"
    assert config.fetch == FetchConfig(delay_seconds=2, user_agent="onrecord-test/1 (+https://site.example)")
    assert (len(config.urls), config.listings[0].urls) == (1, ("http://site.example/feed",))
    assert check_reachable(config) == [str(path.parent / "urls.txt")]


def test_overrides_set_nested_keys(path: Path) -> None:
    config = load_config(str(path), ["fetch.delay_seconds=0.5", "extract.min_words=7", "name=other"], lake="elsewhere")
    assert (config.fetch.delay_seconds, config.extract.min_words) == (0.5, 7)
    assert (config.name, config.lake) == ("other", "elsewhere")


def test_environment_variables_are_replaced(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT", "press-bot/2 (+https://site.example/bot)")
    assert load_config(str(path)).fetch.user_agent == "press-bot/2 (+https://site.example/bot)"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "fetch.delay_secnds=1",
            "fetch.delay_secnds: unknown key, did you mean delay_seconds; allowed here are",
        ),
        (
            "feetch.delay_seconds=1",
            "feetch: unknown key, did you mean fetch; allowed here are annotate, archive, extract",
        ),
        (
            "fetch.delay_seconds=-1",
            "fetch.delay_seconds: -1 is not allowed, input should be greater than or equal to 0",
        ),
        ("fetch.delay_seconds=soon", "fetch.delay_seconds: 'soon' is not allowed, input should be a valid number"),
        ("name=Daily Run", "name: 'Daily Run' is not allowed, string should match pattern"),
        ("sources=[]", r"sources: \[\] is not allowed, tuple should have at least 1 item"),
        (
            "sources=[{type: pigeons}]",
            r"sources.0: .* is not allowed, input tag 'pigeons' .* expected tags: 'urls', 'feeds'",
        ),
        ("sources=[{path: x}]", "sources.0: the key type is required"),
        ("sources=[{type: urls}]", r"sources\.0\.path: this key is required"),
        (
            "sources=[{type: urls, path: x, colunm: y}]",
            r"sources\.0\.colunm: unknown key, did you mean column",
        ),
        *(
            (f"name={json.dumps(name)}", "name: .* is not allowed")
            for name in ("../x", "a/b", "", "a" * 65, "a\0b", "a\n")
        ),
        ("lake=${NOWHERE_SET}", r"lake: the environment variable NOWHERE_SET is not set; set it, or give a default"),
        ("fetch", "--set fetch: expected key=value, such as fetch.delay_seconds=2"),
        ("name.first=x", "--set name.first: name is not a mapping"),
        ("fetch={a: [}", "--set fetch is not valid YAML in line 1"),
    ],
)
def test_invalid_value_is_rejected_with_one_sentence(path: Path, override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as rejected:
        load_config(str(path), [override])
    assert "\n" not in str(rejected.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n- b\n", "is not a configuration: it must contain keys"),
        ("name: [\n", "is not valid YAML in line 2"),
        ("name: x\n", "lake: this key is required"),
        ("name: \x00", "is not valid YAML"),
    ],
)
def test_invalid_file_is_rejected(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_config(str(tmp_path / "x.yaml"))


def test_missing_file_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml cannot be read: No such file"):
        load_config(str(tmp_path / "none.yaml"))


def test_missing_source_file_is_rejected(path: Path) -> None:
    (path.parent / "urls.txt").unlink()
    with pytest.raises(ConfigError, match=r"sources\.0\.path: no file matches .*urls\.txt"):
        check_reachable(load_config(str(path)))


def test_unwritable_lake_is_rejected(path: Path) -> None:
    (path.parent / "taken").write_text("")
    with pytest.raises(ConfigError, match=r"lake: the folder .*taken cannot be written to"):
        check_reachable(load_config(str(path), lake=str(path.parent / "taken")))


def test_invalid_gazetteer_is_rejected(path: Path) -> None:
    names = path.parent / "names.csv"
    with path.open("a") as file:
        file.write(f"annotate: {{gazetteers: [{names}]}}\n")
    with pytest.raises(ConfigError, match=r"annotate\.gazetteers: .*names\.csv"):
        check_reachable(load_config(str(path)))
    names.write_text("alias,id,type\nIda Marsh,mayor:1,PERSON\n", encoding="utf-8")
    check_reachable(load_config(str(path)))


def test_durations_have_a_unit(path: Path) -> None:
    config = load_config(str(path), ["stream.window=90s", "stream.poll_most=2h", "stream.remember=3d"])
    seconds = [getattr(config.stream, name).seconds for name in ("window", "poll_least", "poll_most", "remember")]
    assert seconds == [90, 60, 7_200, 259_200]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        *(
            (f"stream.window={value}", r"stream\.window: .* is not allowed")
            for value in ("5", "0m", "-5m", "5w", "5m m")
        ),
        ("stream.poll_least=31m", r"stream: .*poll_least \(31m\) must not exceed poll_most \(30m\)"),
        ("stream.windows=5m", r"stream\.windows: unknown key, did you mean window"),
    ],
)
def test_invalid_stream_option_is_rejected(path: Path, override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(str(path), [override])


def test_queues_are_for_streams_and_archives_for_runs(path: Path) -> None:
    check_for_run(load_config(str(path)))
    check_for_stream(load_config(str(path)))
    queue = "sources=[{type: pubsub, subscription: projects/news-site/subscriptions/urls}]"
    check_for_stream(load_config(str(path), [queue]))
    with pytest.raises(ConfigError, match="type pubsub never ends; read it with `onrecord stream`"):
        check_for_run(load_config(str(path), [queue]))
    archives = load_config(str(path), ["sources=[{type: warc, path: a.warc.gz}]"])
    check_for_run(archives)
    with pytest.raises(ConfigError, match="a stream cannot read a source of type warc"):
        check_for_stream(archives)
    with pytest.raises(ConfigError, match="archive: true is not allowed in a stream"):
        check_for_stream(load_config(str(path), ["archive=true"]))


@pytest.mark.parametrize("when", [None, "2026-01-01..2026-01-02"])
def test_run_with_a_queue_is_not_scheduled(path: Path, when: str | None) -> None:
    queue = "sources=[{type: pubsub, subscription: projects/news-site/subscriptions/urls}]"
    with pytest.raises(ConfigError, match="type pubsub never ends; read it with `onrecord stream`"):
        next(scheduled_runs(str(path), [queue], None, when))
