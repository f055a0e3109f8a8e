"""Makes each page from the journal and from what is declared. Who may see it is the server's matter."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from almanac.config.grammar.types import format_duration
from almanac.config.home import Home
from almanac.config.schema import Declared
from almanac.config.sections.pipelines import window_of_model
from almanac.journal.journal import Journal
from almanac.journal.records import BatchRecord, BatchState, DecisionKind
from almanac.pages import news, report_files
from almanac.pages.attention import cards_of
from almanac.pages.news import News
from almanac.pages.report_files import UnknownPageError
from almanac.reporting.templates import NAVIGATION, render
from almanac.reporting.urls import Urls
from almanac.windows.overview import WindowRow, overview, to_do_ranges
from almanac.windows.tumbling import key_of

_RECENT = timedelta(days=7)
_NEWS, _BATCHES, _WINDOWS, _REPORTS = 40, 200, 500, 200


@dataclass(frozen=True)
class ModelState:
    """One model at a glance."""

    model: Declared
    last_batch: BatchRecord | None
    windows_to_do: int | None  # None: it has none
    attention: list[News]


@dataclass(frozen=True)
class Pages:
    """Renders pages for one request."""

    home: Home
    journal: Journal
    urls: Urls
    now: datetime

    def start(self, models: Sequence[Declared], problems: Sequence[str] = ()) -> str:
        """What needs attention, and every model at a glance; `problems` are of models that could not be read."""
        states = [self._state(model) for model in models]
        attention = news.worst_first(news.newest([each for state in states for each in state.attention], _NEWS))
        page = render(
            "pages/start.html.j2",
            urls=self.urls,
            states=states,
            attention=attention,
            days=_RECENT.days,
            problems=problems,
        )
        return self._with_navigation(page, "", "home")

    def batches(self, model: Declared, state: str) -> str:
        """The newest batches with their ends."""
        records = self.journal.batches(model.name, _BATCHES)
        shown = [record for record in records if not state or _state_of(record) == state]
        counts = Counter(map(_state_of, records))
        page = render(
            "pages/batches.html.j2",
            urls=self.urls,
            model=model,
            records=shown,
            counts=counts,
            chosen=state,
            limit=_BATCHES,
            state_of=_state_of,
        )
        return self._with_navigation(page, model.name, "batches")

    def batch(self, model: Declared, batch_id: str) -> str:
        """One batch: its kept report, or what the journal says where there was nothing to report."""
        from almanac.data.ingest.report import render_report
        from almanac.validation.rules import compile_rules

        record = self._record(model, batch_id)
        if not record.report_uri:
            return self._with_navigation(
                render_report(record, None, compile_rules(model.dataset)), model.name, "batches", record
            )
        return self.report(model, record.report_uri.rsplit("/", 1)[-1], record)

    def data_docs(self, model: Declared, batch_id: str) -> str:
        """One batch as Great Expectations documents it."""
        record = self._record(model, batch_id)
        if not record.report_uri:
            raise UnknownPageError(f"batch {record.batch_id[:12]}: every rule held, so no validation result was kept")
        return report_files.data_docs(self.home, model.name, record.report_uri.rsplit("/", 1)[-1])

    def reports(self, model: Declared, kind: str) -> str:
        """The kept report pages."""
        found = report_files.list_reports(self.home, model.name)
        counts = Counter(each.kind for each in found)
        shown = [each for each in found if not kind or each.kind == kind][:_REPORTS]
        page = render("pages/reports.html.j2", urls=self.urls, model=model, reports=shown, counts=counts, chosen=kind)
        return self._with_navigation(page, model.name, "reports")

    def report(self, model: Declared, name: str, record: BatchRecord | None = None) -> str:
        """One kept page, with the navigation put in."""
        page = report_files.read_report(self.home, model.name, name)
        if record is None and report_files.kind_of(name) == "batch":
            record = self._find(model, name[:12])
        return self._with_navigation(page, model.name, "reports" if record is None else "batches", record)

    def data_file(self, model: Declared, name: str) -> tuple[bytes, str]:
        """A file of rows beside a report, and its media type."""
        return report_files.read_data_file(self.home, model.name, name)

    def windows(self, model: Declared, state: str) -> str:
        """Every window with its state, the newest first, and what to run again."""
        trigger = window_of_model(model)
        rows = [] if trigger is None else self._windows(model)
        newest = list(reversed(rows))
        shown = [row for row in newest if not state or row.state == state]
        ranges = [(first, last, key_of(first), key_of(last)) for first, last in to_do_ranges(rows)]
        page = render(
            "pages/windows.html.j2",
            urls=self.urls,
            model=model,
            trigger=trigger,
            rows=shown[:_WINDOWS],
            hidden=max(len(shown) - _WINDOWS, 0),
            strip=rows[-_WINDOWS:],
            chosen=state,
            ranges=list(reversed(ranges)),
            counts=Counter(row.state for row in rows),
            key_of=key_of,
            size="" if trigger is None else format_duration(trigger.size),
        )
        return self._with_navigation(page, model.name, "windows")

    def journal_of(self, models: Sequence[Declared], chosen: str, kind: str, *, with_nobodys: bool) -> str:
        """Decisions, alerts and promotions, the newest first.

        Args:
            models: those that the reader may see.
            chosen: one of them, or empty for all.
            kind: one of `news.KINDS`, or empty for all.
            with_nobodys: whether alerts that are about no model are shown.
        """
        names = [model.name for model in models if chosen in ("", model.name)]
        names += [""] if with_nobodys and not chosen else []
        found = [each for name in names for each in self._journal(name, kind)]
        page = render(
            "pages/journal.html.j2",
            urls=self.urls,
            models=models,
            news=news.newest(found, 5 * _NEWS),
            kinds=news.KINDS,
            chosen=chosen,
            kind=kind,
        )
        return self._with_navigation(page, chosen, "journal")

    def backups(self) -> str:
        """What is backed up, how old it is, how well proven, where it lies and what that costs."""
        from almanac.backup.installation import open_repositories
        from almanac.backup.report import make_report
        from almanac.backup.retention.protected import last_installation, protected_models
        from almanac.backup.survey import survey

        settings, found = last_installation(self.home)[0].backup, protected_models(self.home)
        repositories = open_repositories(self.home, settings, write=False)
        gaps = survey(self.home, found.models, self.journal, repositories.all(), settings, now=self.now)
        report = make_report(repositories, self.journal, settings, found, now=self.now, gaps=gaps)
        return self._with_navigation(render("pages/backups.html.j2", report=report), "", "backups")

    def storage(self) -> str:
        """How large everything is, how it has grown since the last cleanup, and after how long it goes."""
        from almanac.cleanup.sizes import load_sizes

        newest, cleaned = load_sizes(self.journal)
        cleanups = self.journal.decisions("", DecisionKind.EXPIRY, limit=_NEWS)
        page = render(
            "pages/storage.html.j2",
            newest=newest,
            cleaned=cleaned,
            cleanups=cleanups,
            growth=newest.growth(cleaned) if newest else {},
        )
        return self._with_navigation(page, "", "storage")

    def run(self, dag_id: str, run_id: str, model: Declared | None) -> str:
        """What one Airflow run did, by what it wrote into the journal."""
        found = news.of_run(self.journal.of_run(dag_id, run_id), self.urls)
        page = render(
            "pages/run.html.j2",
            urls=self.urls,
            dag_id=dag_id,
            run_id=run_id,
            news=found,
            airflow=self.urls.airflow_dag(dag_id),
            model=model,
        )
        return self._with_navigation(page, model.name if model else "", "run")

    def _journal(self, model: str, kind: str) -> list[News]:
        limit = 5 * _NEWS
        found: list[News] = []
        if kind in ("", news.ALERT):
            found += news.merged(map(news.of_alert, self.journal.alerts(model, limit)))
        if kind in ("", news.PROMOTED):
            found += map(news.of_move, self.journal.alias_moves(model, limit))
        if kind not in (news.ALERT, news.PROMOTED):
            decisions = self.journal.decisions(model, DecisionKind(kind) if kind else None, limit=limit)
            found += map(news.of_decision, decisions)
        return found

    def _state(self, model: Declared) -> ModelState:
        batches = self.journal.batches(model.name, _BATCHES)
        windows = None if window_of_model(model) is None else [row for row in self._windows(model) if row.is_to_do]
        failed = [one for one in self.journal.windows(model.name) if windows and one.state.value == "failed"]
        recent = cards_of(model.name, self.journal, self.urls, self.now - _RECENT, batches=batches, failed=failed)
        return ModelState(model, batches[0] if batches else None, None if windows is None else len(windows), recent)

    def _windows(self, model: Declared) -> list[WindowRow]:
        trigger = window_of_model(model)
        return [] if trigger is None else overview(trigger, self.journal.windows(model.name), now=self.now)

    def _record(self, model: Declared, batch_id: str) -> BatchRecord:
        record = self._find(model, batch_id)
        if record is None:
            raise UnknownPageError(f"no batch {batch_id[:64]!r} of {model.name}; see the list of its batches")
        return record

    def _find(self, model: Declared, batch_id: str) -> BatchRecord | None:
        return self.journal.batch_beginning(model.name, batch_id)

    def _with_navigation(self, page: str, model: str, place: str, record: BatchRecord | None = None) -> str:
        docs = record is not None and bool(record.report_uri) and self._has_data_docs(record)
        bar = render("pages/navigation.html.j2", urls=self.urls, model=model, place=place, record=record, docs=docs)
        return page.replace(NAVIGATION, bar, 1)

    def _has_data_docs(self, record: BatchRecord) -> bool:
        return report_files.has_data_docs(self.home, record.model, record.report_uri.rsplit("/", 1)[-1])


def _state_of(record: BatchRecord) -> str:
    """What people look for: a published batch with bad rows is another thing than one without."""
    return "bad rows" if record.state is BatchState.PUBLISHED and record.rows_quarantined else record.state.value
