from .kinds import register as register
from .loading import dump as dump
from .loading import load as load
from .problems import InvalidConfigError as InvalidConfigError
from .run_config import RunConfig as RunConfig
from .run_config import SystemConfig as SystemConfig
from .run_config import of as of
from .schema import schema as schema
