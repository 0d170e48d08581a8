"""Something done in a forked child, as a server that loads first and forks then does it."""

import os
import pickle
import signal
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")
PATIENCE_SECONDS = 30


def forked(work: Callable[[], Result]) -> Result:
    """What `work` returns in a forked child, or the error that it raises there. A child that hangs is ended."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        signal.alarm(PATIENCE_SECONDS)
        try:
            answer: tuple[bool, object] = True, work()
        except Exception as error:
            answer = False, error
        os.write(writing, pickle.dumps(answer))
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    assert status == 0 and said, f"the child ended with {status} and said nothing"
    done, came = pickle.loads(said)
    if not done:
        assert isinstance(came, Exception)
        raise came
    result: Result = came
    return result
