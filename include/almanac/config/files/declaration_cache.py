"""The declarations of a folder for a process that shows them again and again: a file is read again when it changes."""

from pathlib import Path
from threading import Lock

from almanac.config.files.loader import Loaded, find_declared, load_models
from almanac.config.files.profile import below, find_profile
from almanac.config.program_code import ENVIRONMENTS
from almanac.config.schema import Declared
from almanac.errors import ConfigError

_KINDS = ("*.yaml", "*.py", "*/**/*.py", f"{ENVIRONMENTS}/*.lock")  # the latter two: of training programs
_Signature = tuple[tuple[str, int, int, int], ...]  # path, time of change in ns, bytes, inode


class DeclarationCache:
    """Models as `load_models` gives them. Safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._loaded: dict[Path, tuple[_Signature, Loaded]] = {}
        self._models: dict[tuple[Path, str], tuple[_Signature, Declared]] = {}

    def load(self, folder: Path) -> Loaded:
        """Every model of a folder; what has not changed since the last call is not read again."""
        with self._lock:
            files = _files(folder)
            known = self._loaded.get(folder)
            if known is not None and known[0] == files:
                return known[1]
            shared = tuple(one for one in files if _is_shared(Path(one[0]), folder))

            def find(folder: Path, name: str) -> Declared:
                cached = self._models.get((folder, name))
                if cached is not None and cached[0] == (*shared, *_of_models(files, name, cached[1].dataset_owner)):
                    return cached[1]
                found = find_declared(folder, name)
                self._models[folder, name] = ((*shared, *_of_models(files, name, found.dataset_owner)), found)
                return found

            loaded = load_models(folder, find=find)
            self._loaded[folder] = (files, loaded)
            return loaded


def _of_models(files: _Signature, *names: str) -> _Signature:
    """The files that are called as one of the models: itself, and the one whose dataset it shares."""
    return tuple(one for one in files if Path(one[0]).name.split(".")[0] in names)


def _is_shared(path: Path, folder: Path) -> bool:
    """Whether more models than one may be made of a file: of a program, nothing else says whose it is."""
    is_of_program = path.parent != folder and path.suffix != ".yaml"
    return path.name.startswith("_") or is_of_program


def _files(folder: Path) -> _Signature:
    """Every file that a model of the folder may be made of; a file that is written meanwhile differs next time."""
    folders = [folder]
    try:
        profile = find_profile(folder)
    except ConfigError:  # told by `load_models`
        profile = None
    if profile is not None:
        folders.append(below(folder, profile))
    found = []
    for path in sorted(path for each in folders for kind in _KINDS for path in each.glob(kind)):
        try:
            status = path.stat()
        except FileNotFoundError:  # deleted since it was listed
            continue
        found.append((str(path), status.st_mtime_ns, status.st_size, status.st_ino))
    return tuple(found)
