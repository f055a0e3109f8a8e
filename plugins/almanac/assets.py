"""The assets of a model: the bells by which its DAGs wake each other.

An event is a bell, not the data: whoever is woken looks at the store for what is new.
"""

from airflow.sdk import Asset, AssetWatcher

from almanac.triggers.landing import LandingTrigger
from include.config.home import Home
from include.config.schema import Model


def landing(model: Model, home: Home) -> Asset:
    """Files have landed and are settled; rung by the watcher."""
    trigger = LandingTrigger(
        root=home.landing,
        folder=model.name,
        patterns=list(model.source.patterns),
        poll_s=model.source.poll.total_seconds(),
        settle_s=model.source.settle.total_seconds(),
    )
    return Asset(
        name=f"landing_{model.name}",
        uri=f"almanac://{model.name}/landing",
        group="landing",
        watchers=[AssetWatcher(name=f"landing_{model.name}", trigger=trigger)],
    )


def dataset(model: Model) -> Asset:
    """The dataset has a new version; the event says which, with rows and window."""
    return Asset(name=f"dataset_{model.name}", uri=f"almanac://{model.name}/dataset", group="dataset")


def retrain_request(model: Model) -> Asset:
    """Somebody or something asks for a retrain; the event's `reason` says why."""
    return Asset(
        name=f"retrain_request_{model.name}", uri=f"almanac://{model.name}/retrain_request", group="retrain_request"
    )


def champion(model: Model) -> Asset:
    """Another version has become champion."""
    return Asset(name=f"champion_{model.name}", uri=f"almanac://{model.name}/champion", group="champion")


def predictions(model: Model) -> Asset:
    """New hours have been scored."""
    return Asset(name=f"predictions_{model.name}", uri=f"almanac://{model.name}/predictions", group="predictions")
