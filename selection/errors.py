"""Every error that a person can meet. Each message says what is wrong, with which value,
and what to do about it; the command line and the backend show the message and no trace.

CruxError
├── SettingError         a setting has a value that cannot be used
├── PoolError            the pool's file or folder cannot be read
├── StudioError          Label Studio answered something that we cannot work with
│   ├── StudioDown       no answer at all, or 5xx: trying again later can help
│   ├── StudioRefused    the token is wrong or may not do this
│   └── ProjectError     the project's label config, policy or tasks do not fit
│       └── StudioLacks  there is no such project, or no such thing in it
├── BackendError         the ML backend cannot be reached or answered something else
├── ModelError           a model cannot be had, loaded or trained
├── VersionError         a model version is missing or damaged
│   └── StorageError     what belongs to versions cannot be written: the disk is full
└── RoundError           the round is not in a state in which this can be done
"""


class CruxError(Exception):
    """Base of all errors whose message is written for the person who runs Crux."""


class SettingError(CruxError):
    """A setting has a value that cannot be used."""


class PoolError(CruxError):
    """The pool's file or folder cannot be read."""


class StudioError(CruxError):
    """Label Studio answered something that Crux cannot work with."""


class StudioDown(StudioError):
    """Label Studio does not answer, or answers 5xx; trying again later can help."""


class StudioRefused(StudioError):
    """Label Studio refuses the token, or the token may not do this."""


class ProjectError(StudioError):
    """The project's label config, policy or tasks do not fit."""


class StudioLacks(ProjectError):
    """Label Studio does not have the project, or what was asked for in it."""


class BackendError(CruxError):
    """The ML backend cannot be reached, or answers something else than it should."""


class ModelError(CruxError):
    """A model cannot be had, loaded or trained."""


class VersionError(CruxError):
    """A model version is missing or damaged."""


class StorageError(VersionError):
    """A version or record cannot be written; once there is room, trying again helps."""


class RoundError(CruxError):
    """The round is not in a state in which this can be done."""
