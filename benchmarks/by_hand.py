"""Forty questions that a Python programmer asks of the standard library: how many have an answer in the first three.

    python benchmarks/stdlib.py --keep FOLDER
    python benchmarks/by_hand.py FOLDER/warehouse [--mode MODE]

Questions and answers were written before any of them was asked, and none was changed since. One hit a symbol; a hit
answers where it is a symbol of the module, or lies in one. Of forty, two more or less are chance.
"""

import argparse
import sys
from pathlib import Path

import xtr_assets as xa
from xtr_assets.search.ranker import Mode

DEEP = 100
# Question, module, symbols of which any answers; several modules apart by a bar.
QUESTIONS = (
    ("run several coroutines at the same time and collect their results", "asyncio.tasks gather"),
    ("wait for a coroutine but give up after a timeout", "asyncio.tasks wait_for | asyncio.timeouts timeout"),
    (
        "limit how many tasks may do something at once",
        "asyncio.locks Semaphore BoundedSemaphore | threading Semaphore BoundedSemaphore",
    ),
    ("run a blocking function in another thread from async code", "asyncio.threads to_thread"),
    ("standard deviation of a sample", "statistics stdev"),
    ("the middle value of some numbers", "statistics median median_low median_high"),
    ("attach a file to an email message", "email.message MIMEPart.add_attachment"),
    ("send an email through an SMTP server", "smtplib SMTP.send_message SMTP.sendmail"),
    ("copy a whole directory tree", "shutil copytree"),
    ("delete a directory and everything in it", "shutil rmtree"),
    ("how much free space is left on the disk", "shutil disk_usage"),
    ("temporary file with a name that is deleted when it is closed", "tempfile NamedTemporaryFile"),
    ("get the extension of a file name", "posixpath splitext | ntpath splitext | pathlib PurePath.suffix"),
    ("list all files that match a pattern, in subfolders too", "glob glob iglob | pathlib Path.rglob Path.glob"),
    ("decode a base64 string", "base64 b64decode standard_b64decode decodebytes"),
    ("closest matches of a misspelled word", "difflib get_close_matches"),
    ("show what changed between two texts line by line", "difflib unified_diff ndiff context_diff Differ"),
    ("wrap a long paragraph to a width", "textwrap wrap fill"),
    ("remove common leading whitespace from a multiline string", "textwrap dedent"),
    ("run a command and capture its output", "subprocess run check_output getoutput getstatusoutput"),
    ("read a CSV file as dictionaries", "csv DictReader"),
    ("print a nested dictionary nicely", "pprint pprint PrettyPrinter pp"),
    ("split a URL into scheme, host and path", "urllib.parse urlsplit urlparse"),
    ("build a query string from a dictionary", "urllib.parse urlencode"),
    ("escape special characters for HTML", "html escape"),
    ("remember the results of function calls", "functools lru_cache cache _lru_cache_wrapper"),
    ("property that is computed once per instance", "functools cached_property"),
    ("count how often each element occurs", "collections Counter _count_elements"),
    ("secure random token for a link", "secrets token_urlsafe token_hex"),
    ("pick random elements with weights", "random Random.choices"),
    ("unpack all files of a zip archive", "zipfile ZipFile.extractall | shutil _unpack_zipfile unpack_archive"),
    ("log file that starts anew when it gets too big", "logging.handlers RotatingFileHandler"),
    ("measure how long a small piece of code takes", "timeit timeit Timer repeat"),
    ("ignore an exception in a with block", "contextlib suppress"),
    ("make a context manager out of a generator", "contextlib contextmanager _GeneratorContextManager"),
    ("guess the content type of a file", "mimetypes guess_type MimeTypes.guess_type"),
    ("how many days a month has", "calendar monthrange _monthlen"),
    ("evaluate a string that holds a Python literal safely", "ast literal_eval"),
    ("source code of a function", "inspect getsource getsourcelines"),
    ("replace an attribute with a mock during a test", "unittest.mock patch _patch _patch_object"),
)


def answers(path: str, symbol: str, told: str) -> bool:
    """Whether a hit is one of the symbols told, or lies in one."""
    for one in told.split(" | "):
        module, *symbols = one.split()
        if module == _module(path) and any(symbol == name or symbol.startswith(f"{name}.") for name in symbols):
            return True
    return False


def _module(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def main() -> None:
    """Print each question's rank, then how many are in the first one, three and ten."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("warehouse", type=Path)
    parser.add_argument("--mode", default="hybrid", help="which index answers")
    given = parser.parse_args()
    mode: Mode = given.mode
    ranks = []
    with xa.open(given.warehouse) as searcher:
        for question, told in QUESTIONS:
            hits = searcher.search(question, k=DEEP, mode=mode, collapse="symbol")
            found = [rank for rank, hit in enumerate(hits, 1) if answers(hit.path, hit.symbol, told)]
            ranks.append(found[0] if found else DEEP + 1)
            first = f"{hits[0].path} {hits[0].symbol}" if ranks[-1] > 1 else ""
            print(f"{ranks[-1]:>4}  {question:<66} {first}")
    shares = ", ".join(f"{sum(rank <= k for rank in ranks)} in the first {k}" for k in (1, 3, 10))
    print(f"of {len(ranks)}: {shares}", file=sys.stderr)


if __name__ == "__main__":
    main()
