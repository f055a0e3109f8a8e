"""Makes each page from the journal and from what is declared. Who may see it is the server's matter."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from almanac.config.grammar.types import format_duration
from almanac.config.home import Home
from almanac.config.schema import Declared, Model
from almanac.config.sections.costs import Prices
from almanac.config.sections.pipelines import window_of_model
from almanac.control.filters import NO_FILTERS, Filters, choices_of, worst_first
from almanac.control.model_summary import summarize
from almanac.journal.journal import Journal
from almanac.journal.newest import open_alerts
from almanac.journal.records import BatchRecord, BatchState, DecisionKind, WindowState
from almanac.pages import news, report_files
from almanac.pages.attention import cards_of, troubled_models
from almanac.pages.news import News
from almanac.pages.page import RenderedPage
from almanac.pages.report_files import UnknownPageError
from almanac.pages.rollout_story import ROLLOUTS, rollout_stories
from almanac.pages.search import MOST as MOST_HITS
from almanac.pages.search import search
from almanac.pages.timeline import LANES, SPAN, timeline
from almanac.reporting.sparkline import sparkline
from almanac.reporting.templates import NAVIGATION, render
from almanac.reporting.urls import Urls
from almanac.windows.overview import WindowRow, overview, to_do_ranges
from almanac.windows.tumbling import key_of

_RECENT = timedelta(days=7)
_WITH_CARDS = 6  # models whose cards the start page shows; the rows of the others say that something is open
# What colors a state has: those of the pages.
_TONES = {"critical": "bad", "warning": "warn", "late": "warn", "stopped": "warn", "new": "calm", "fine": "good"}
_NEWS, _BATCHES, _WINDOWS, _REPORTS = 40, 200, 500, 200


@dataclass(frozen=True)
class Pages:
    """Renders pages for one request."""

    home: Home
    journal: Journal
    urls: Urls
    now: datetime

    def start(
        self,
        models: Sequence[Declared],
        problems: Sequence[str] = (),
        *,
        chosen: Filters = NO_FILTERS,
        of_installation: bool = False,
    ) -> RenderedPage:
        """What needs attention, and every model in one row.

        Args:
            models: those that the reader may see.
            problems: of models that could not be read.
            chosen: only these rows.
            of_installation: also what belongs to no model.
        """
        summaries = summarize(models, self.journal, self.now, self._prices())
        shown = worst_first(one for one in summaries if chosen.take(one))
        attention, more = self._attention([one.name for one in shown])
        return self._page(
            "pages/start.html.j2",
            "home",
            data={"models": shown, "attention": attention, "problems": problems, "filters": chosen},
            choices=choices_of(summaries),
            given=vars(chosen),
            tones=_TONES,
            total=len(summaries),
            installation_alerts=open_alerts(self.journal).get("", {}) if of_installation else {},
            days=_RECENT.days,
            more=more,
            now=self.now,
        )

    def _prices(self) -> Prices | None:
        """As they are declared, or were when that could be read last."""
        from almanac.backup.retention.protected import last_installation

        return last_installation(self.home)[0].prices

    def model(self, model: Declared) -> RenderedPage:
        """One model: its row in words, what needs attention, and what happened, on one axis."""
        (summary,) = summarize([model], self.journal, self.now, self._prices())
        cards = self._cards(model.name)
        attention = news.worst_first(news.newest(cards, _NEWS))
        marks = timeline(self.journal, model.name, self.now)
        windows = [row for row in self._windows(model) if row.is_to_do]
        return self._page(
            "pages/model.html.j2",
            "model",
            model.name,
            data={"model": summary, "attention": attention, "timeline": marks, "windows_to_do": len(windows)},
            now=self.now,
            tones=_TONES,
            lanes=LANES,
            span=SPAN,
            has_windows=window_of_model(model) is not None,
            dags=[
                (one.pipeline, self.urls.airflow_dag(f"{one.pipeline}_{model.name}")) for one in summary.planned_runs
            ],
            is_forecast=not isinstance(model, Model),
        )

    def search(self, text: str, models: Sequence[Declared]) -> RenderedPage:
        """What a text names: a prediction, a batch, a version, a file."""
        hits = search(text, models, self.home, self.journal, self.urls)
        return self._page("pages/search.html.j2", "search", data={"text": text, "hits": hits}, most=MOST_HITS)

    def batches(self, model: Declared, state: str) -> RenderedPage:
        """The newest batches with their ends."""
        records = self.journal.batches(model.name, _BATCHES)
        shown = [record for record in records if not state or _state_of(record) == state]
        counts = Counter(map(_state_of, records))
        return self._page(
            "pages/batches.html.j2",
            "batches",
            model.name,
            data={"records": shown, "counts": counts},
            model=model,
            chosen=state,
            limit=_BATCHES,
            state_of=_state_of,
        )

    def batch(self, model: Declared, batch_id: str) -> RenderedPage:
        """One batch: its kept report, or what the journal says where there was nothing to report."""
        from almanac.data.ingest.report import render_report
        from almanac.validation.rules import compile_rules

        record = self._record(model, batch_id)
        if not record.report_uri:
            page = render_report(record, None, compile_rules(model.dataset))
            return self._with_navigation(page, model.name, "batches", {"record": record}, record)
        return self.report(model, record.report_uri.rsplit("/", 1)[-1], record)

    def data_docs(self, model: Declared, batch_id: str) -> str:
        """One batch as Great Expectations documents it."""
        record = self._record(model, batch_id)
        if not record.report_uri:
            raise UnknownPageError(f"batch {record.batch_id[:12]}: every rule held, so no validation result was kept")
        return report_files.data_docs(self.home, model.name, record.report_uri.rsplit("/", 1)[-1])

    def reports(self, model: Declared, kind: str) -> RenderedPage:
        """The kept report pages."""
        found = report_files.list_reports(self.home, model.name)
        counts = Counter(each.kind for each in found)
        shown = [each for each in found if not kind or each.kind == kind][:_REPORTS]
        data = {"reports": shown, "counts": counts}
        return self._page("pages/reports.html.j2", "reports", model.name, data=data, model=model, chosen=kind)

    def report(self, model: Declared, name: str, record: BatchRecord | None = None) -> RenderedPage:
        """One kept page, with the navigation put in."""
        page = report_files.read_report(self.home, model.name, name)
        if record is None and report_files.kind_of(name) == "batch":
            record = self._find(model, name[:12])
        data = {"name": name, "kind": report_files.kind_of(name), "html": page, "record": record}
        return self._with_navigation(page, model.name, "reports" if record is None else "batches", data, record)

    def data_file(self, model: Declared, name: str) -> tuple[bytes, str]:
        """A file of rows beside a report, and its media type."""
        return report_files.read_data_file(self.home, model.name, name)

    def windows(self, model: Declared, state: str) -> RenderedPage:
        """Every window with its state, the newest first, and what to run again."""
        trigger = window_of_model(model)
        rows = [] if trigger is None else self._windows(model)
        newest = list(reversed(rows))
        shown = [row for row in newest if not state or row.state == state]
        ranges = [(first, last, key_of(first), key_of(last)) for first, last in to_do_ranges(rows)]
        return self._page(
            "pages/windows.html.j2",
            "windows",
            model.name,
            data={"rows": shown[:_WINDOWS], "counts": Counter(row.state for row in rows)},
            model=model,
            trigger=trigger,
            hidden=max(len(shown) - _WINDOWS, 0),
            strip=rows[-_WINDOWS:],
            chosen=state,
            ranges=list(reversed(ranges)),
            key_of=key_of,
            size="" if trigger is None else format_duration(trigger.size),
        )

    def rollouts(self, model: Declared) -> RenderedPage:
        """The newest rollouts: who was asked over time, what the guards knew, and each transition."""
        if not isinstance(model, Model):
            raise UnknownPageError(f"{model.name} is a forecast: no version of it answers requests")
        stories = rollout_stories(self.home, model, self.journal, self.now)
        data = {"model": model.name, "is_declared": model.rollout is not None, "rollouts": stories}
        template = "pages/rollouts.html.j2"
        return self._page(template, "rollouts", model.name, data=data, title=model.title, limit=ROLLOUTS)

    def journal_of(self, models: Sequence[Declared], chosen: str, kind: str, *, with_nobodys: bool) -> RenderedPage:
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
        data = {"news": news.newest(found, 5 * _NEWS), "kinds": news.KINDS}
        return self._page(
            "pages/journal.html.j2", "journal", chosen, data=data, models=models, chosen=chosen, kind=kind
        )

    def backups(self) -> RenderedPage:
        """What is backed up, how old it is, how well proven, where it lies and what that costs."""
        from almanac.backup.installation import open_repositories
        from almanac.backup.report import make_report
        from almanac.backup.retention.protected import last_installation, protected_models
        from almanac.backup.survey import survey

        settings, found = last_installation(self.home)[0].backup, protected_models(self.home)
        repositories = open_repositories(self.home, settings, write=False)
        gaps = survey(self.home, found.models, self.journal, repositories.all(), settings, now=self.now)
        report = make_report(repositories, self.journal, settings, found, now=self.now, gaps=gaps)
        return self._page("pages/backups.html.j2", "backups", data={"report": report})

    def storage(self) -> RenderedPage:
        """How large everything is, how it has grown since the last cleanup, and after how long it goes."""
        from almanac.cleanup.sizes import load_sizes

        newest, cleaned = load_sizes(self.journal)
        cleanups = self.journal.decisions("", DecisionKind.EXPIRY, limit=_NEWS)
        growth = newest.growth(cleaned) if newest else {}
        data = {"newest": newest, "cleaned": cleaned, "cleanups": cleanups, "growth": growth}
        return self._page("pages/storage.html.j2", "storage", data=data)

    def search_indexes(self) -> RenderedPage:
        """The declared search services as they were looked at last; one that never was says so."""
        from almanac.ai_search.observation import ObservedService, load
        from almanac.backup.retention.protected import last_installation

        declared = last_installation(self.home)[0].search_indexes.services
        seen = {name: load(self.journal, name) for name in sorted(declared)}
        services = [one or ObservedService(name, self.now) for name, one in seen.items()]
        unseen = [name for name, one in seen.items() if one is None]

        def trend(service: ObservedService, name: str) -> str:
            return sparkline(service.series(name, self.now)[1], f"{name}, a value for each day")

        data = {"services": services, "unseen": unseen}
        return self._page("pages/search_indexes.html.j2", "search_indexes", data=data, trend=trend)

    def run(self, dag_id: str, run_id: str, model: Declared | None) -> RenderedPage:
        """What one Airflow run did, by what it wrote into the journal."""
        found = news.of_run(self.journal.of_run(dag_id, run_id), self.urls)
        data = {"dag_id": dag_id, "run_id": run_id, "news": found}
        airflow, name = self.urls.airflow_dag(dag_id), model.name if model else ""
        return self._page("pages/run.html.j2", "run", name, data=data, airflow=airflow, model=model)

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

    def _attention(self, names: Sequence[str]) -> tuple[list[News], int]:
        """Cards of the models that have any, and of how many models the cards are left out."""
        troubled = troubled_models(self.journal, names, self.now - _RECENT)
        cards = [card for name in troubled[:_WITH_CARDS] for card in self._cards(name)]
        return news.worst_first(news.newest(cards, _NEWS)), len(troubled[_WITH_CARDS:])

    def _cards(self, name: str) -> list[News]:
        since = self.now - _RECENT
        batches = self.journal.batches(name, _BATCHES, since=since)
        failed = self.journal.windows(name, state=WindowState.FAILED)
        return cards_of(name, self.journal, self.urls, since, batches=batches, failed=failed)

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

    def _page(
        self, template: str, place: str, model_name: str = "", *, data: Mapping[str, Any], **more: object
    ) -> RenderedPage:
        """Fill a template in; `data` is what the page says, and its JSON; `more` is for the template alone."""
        page = render(template, urls=self.urls, **{**data, **more})
        return self._with_navigation(page, model_name, place, data)

    def _with_navigation(
        self, page: str, model: str, place: str, data: Mapping[str, Any], record: BatchRecord | None = None
    ) -> RenderedPage:
        docs = record is not None and bool(record.report_uri) and self._has_data_docs(record)
        bar = render("pages/navigation.html.j2", urls=self.urls, model=model, place=place, record=record, docs=docs)
        return RenderedPage.of(page.replace(NAVIGATION, bar, 1), data)

    def _has_data_docs(self, record: BatchRecord) -> bool:
        return report_files.has_data_docs(self.home, record.model, record.report_uri.rsplit("/", 1)[-1])


def _state_of(record: BatchRecord) -> str:
    """What people look for: a published batch with bad rows is another thing than one without."""
    return "bad rows" if record.state is BatchState.PUBLISHED and record.rows_quarantined else record.state.value
