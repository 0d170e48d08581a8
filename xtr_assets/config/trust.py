"""What this process may do for an encoder that a warehouse names.

A warehouse may come from anybody, and its record of an encoder can name code to run, pickles to read, or an address
and the environment variable whose content goes there. Only what a configuration of this process names is done: every
IndexConfig vouches for its encoder.
"""

from xtr_assets.config.encoder_kinds import (
    EncoderConfig,
    EncoderPair,
    EndpointConfig,
    ModelConfig,
    PythonConfig,
    SentenceTransformersConfig,
)
from xtr_assets.core.errors import ConfigError

_vouched: set[str] = set()


def claims(config: EncoderConfig) -> frozenset[str]:
    """What opening this encoder would do that has to be vouched for, in words."""
    if isinstance(config, EncoderPair):
        return frozenset().union(*(claims(one) for one in (config.dense, config.tokens) if one is not None))
    found = set()
    if isinstance(config, PythonConfig):
        found.add(f"run {config.kind}")
    if isinstance(config, EndpointConfig):
        found.add(f"send texts{f' and {config.key}' if config.key else ''} to {config.url}")
    if isinstance(config, ModelConfig) and config.trust_pickle:
        found.add(f"read pickles of {config.model}")
    if isinstance(config, SentenceTransformersConfig) and config.remote_code is not None:
        found.add(f"run code ({config.remote_code}) for {config.model}")
    return frozenset(found)


def vouch(config: EncoderConfig) -> None:
    """Allow what this encoder needs, for this process."""
    _vouched.update(claims(config))


def refuse_unvouched(config: EncoderConfig, whose: str) -> None:
    """ConfigError where opening `config`, which `whose` says, would do what no configuration here names."""
    strange = sorted(claims(config) - _vouched)
    if strange:
        raise ConfigError(
            f"the encoder of {whose} would {'; '.join(strange)}, which no configuration here names; where you trust "
            "it, give the configuration that built it: `--config xtr.yaml`, or in Python "
            'xtr_assets.config.load_config(Path("xtr.yaml"))'
        )
