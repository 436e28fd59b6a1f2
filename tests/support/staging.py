"""Stage rows as a run does, in a store that can crash at any change."""

from datetime import date

from pipeline.config.models import RunConfig
from pipeline.lake.attempts import new_attempt
from pipeline.lake.query.catalog import open_lake
from pipeline.stories.assign import write_stories
from tests.support.records import make_article, make_fetch
from transforms.schema.run import Run, StagedFile
from transforms.storage.base import Store
from transforms.storage.folder import FolderStore
from transforms.write.parquet import merge_staged_files, write_rows

DAY = date(2026, 3, 4)


class Killed(BaseException):
    """Simulates a SIGKILL; no code catches it."""


def stage(
    store: Store, run_id: str = "daily-20260304T0000", texts: dict[int, str] | None = None
) -> tuple[Run, list[StagedFile]]:
    """Stage and merge a run of a few articles, number -> text, without a commit."""
    run = new_attempt(run_id, DAY, store.root)
    articles = [make_article(n, text) for n, text in (texts or {1: "one", 2: "two"}).items()]
    fetches = [make_fetch(n) for n in (texts or {1: "one", 2: "two"})]
    files = merge_staged_files(run, [write_rows(run, "articles", articles, f"{run.staging}/rows/articles/a.parquet")])
    files += merge_staged_files(run, [write_rows(run, "fetches", fetches, f"{run.staging}/rows/fetches/f.parquet")])
    return run, [*files, *write_stories(run, [f for f in files if f.table == "articles"])]


def texts(store: Store) -> list[str]:
    with open_lake(store) as database:
        return [text for (text,) in database.execute("SELECT text FROM articles ORDER BY 1").fetchall()]


class CrashingStore(FolderStore):
    """A lake in a folder that crashes at the n-th change, before or after it."""

    def __init__(self, store: Store, dies_at: int | None, *, after: bool = False) -> None:
        super().__init__(store.root)
        self.changes, self._dies_at, self._after = 0, dies_at, after

    def _step(self, after: bool) -> None:
        if self.changes == self._dies_at and self._after is after:
            raise Killed

    def write(self, path: str, data: bytes) -> None:
        self.changes += 1
        self._step(after=False)
        super().write(path, data)
        self._step(after=True)

    def move(self, source: str, target: str) -> None:
        self.changes += 1
        self._step(after=False)
        super().move(source, target)
        self._step(after=True)

    def delete(self, paths: list[str]) -> None:
        for path in paths:
            self.changes += 1
            self._step(after=False)
            super().delete([path])
            self._step(after=True)


CONFIG = RunConfig.model_validate({"name": "daily", "lake": "lake", "sources": [{"type": "urls", "path": "a.txt"}]})
