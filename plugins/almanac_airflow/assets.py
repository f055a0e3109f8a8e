"""The assets of a model: by their events its DAGs trigger each other.

An event is a signal, not the data: the DAG that it triggers looks at the store for what is new.
"""

from collections.abc import Sequence

from airflow.sdk import Asset, AssetWatcher

from almanac.config.home import Home
from almanac.config.schema import Declared
from almanac.config.sections.triggers import ArrivalTrigger
from almanac_airflow.triggers.landing import LandingTrigger


def landing(model: Declared, home: Home) -> Asset:
    """Files have landed and are settled; the watcher emits the event."""
    watcher = AssetWatcher(name=f"landing_{model.name}", trigger=_landing_trigger(model, model.source.patterns, home))
    return Asset(
        name=f"landing_{model.name}", uri=f"almanac://{model.name}/landing", group="landing", watchers=[watcher]
    )


def arrival(model: Declared, name: str, declared: ArrivalTrigger, home: Home) -> Asset:
    """Files of other names have settled, or files were deleted; its own watcher on the same listing emits the event."""
    trigger = _landing_trigger(model, declared.patterns, home, on=declared.on)
    return Asset(
        name=f"{name}.{model.name}",
        uri=f"almanac://{model.name}/triggers/{name}",
        group="trigger",
        watchers=[AssetWatcher(name=f"{name}_{model.name}", trigger=trigger)],
    )


def event(model: Declared, name: str) -> Asset:
    """Another system posts here; nothing else is triggered before the payload was checked."""
    return Asset(name=f"event_{name}.{model.name}", uri=f"almanac://{model.name}/events/{name}", group="event")


def trigger(model: Declared, name: str) -> Asset:
    """A declared trigger has fired: its schedule ticked, or the payload of its event was accepted."""
    return Asset(name=f"{name}.{model.name}", uri=f"almanac://{model.name}/triggers/{name}", group="trigger")


def window(model: Declared) -> Asset:
    """A window has closed, or late rows have changed it; its partition key is the window's start."""
    return Asset(name=f"window_{model.name}", uri=f"almanac://{model.name}/window", group="window")


def of_model(name: str, what: str) -> Asset:
    """The dataset, the trainings, the champion or the predictions of a model, this or another."""
    return Asset(name=f"{what}_{name}", uri=f"almanac://{name}/{what}", group=what)


def dataset(model: Declared) -> Asset:
    """The dataset, its own or the shared one, has a new version; the event says which, with rows and window."""
    return of_model(model.dataset_owner, "dataset")


def retrain_request(model: Declared) -> Asset:
    """The monitor, or a person whom it asked, asks for a retrain; its record in the journal says why."""
    return Asset(
        name=f"retrain_request_{model.name}", uri=f"almanac://{model.name}/retrain_request", group="retrain_request"
    )


def change(model: Declared) -> Asset:
    """The model's declaration, or the code that makes it, differs from its champion's; the event's `reason` says so."""
    return Asset(name=f"change_{model.name}", uri=f"almanac://{model.name}/change", group="change")


def training(model: Declared) -> Asset:
    """A training has finished, and its candidate was judged; the event's `accepted` says how."""
    return of_model(model.name, "training")


def champion(model: Declared) -> Asset:
    """Another version has become champion."""
    return of_model(model.name, "champion")


def challenger(model: Declared) -> Asset:
    """Another version was registered."""
    return of_model(model.name, "challenger")


def shadow(model: Declared) -> Asset:
    """A version that scored in shadow was not worse; the journal's newest verdict says which."""
    return of_model(model.name, "shadow")


def predictions(model: Declared) -> Asset:
    """New rows have been scored."""
    return of_model(model.name, "predictions")


def _landing_trigger(model: Declared, patterns: Sequence[str], home: Home, *, on: str = "created") -> LandingTrigger:
    return LandingTrigger(
        root=home.landing,
        folder=model.name,
        patterns=list(patterns),
        poll_s=model.source.poll.total_seconds(),
        settle_s=model.source.settle.total_seconds(),
        on=on,
    )
