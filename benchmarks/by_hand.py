"""Forty questions that a Python programmer asks of the standard library: how many have an answer in the first three.

    python benchmarks/stdlib.py --keep FOLDER
    python benchmarks/by_hand.py FOLDER/warehouse [--mode MODE]

Questions and answers were written before any of them was asked, and none was changed since. One hit a symbol; a hit
answers where it lies in the file and is the symbol, or lies in it. Of forty, two more or less are chance.
"""

import argparse
import sys
from pathlib import Path

import xtr_assets as xa
from xtr_assets.search.ranker import Mode

DEEP = 100
# Question, file, symbols of which any answers; several files apart by a bar.
QUESTIONS = (
    ("run several coroutines at the same time and collect their results", "asyncio/tasks.py gather"),
    ("wait for a coroutine but give up after a timeout", "asyncio/tasks.py wait_for | asyncio/timeouts.py timeout"),
    (
        "limit how many tasks may do something at once",
        "asyncio/locks.py Semaphore BoundedSemaphore | threading.py Semaphore BoundedSemaphore",
    ),
    ("run a blocking function in another thread from async code", "asyncio/threads.py to_thread"),
    ("standard deviation of a sample", "statistics.py stdev"),
    ("the middle value of some numbers", "statistics.py median median_low median_high"),
    ("attach a file to an email message", "email/message.py MIMEPart.add_attachment"),
    ("send an email through an SMTP server", "smtplib.py SMTP.send_message SMTP.sendmail"),
    ("copy a whole directory tree", "shutil.py copytree"),
    ("delete a directory and everything in it", "shutil.py rmtree"),
    ("how much free space is left on the disk", "shutil.py disk_usage"),
    ("temporary file with a name that is deleted when it is closed", "tempfile.py NamedTemporaryFile"),
    ("get the extension of a file name", "posixpath.py splitext | ntpath.py splitext | pathlib.py PurePath.suffix"),
    ("list all files that match a pattern, in subfolders too", "glob.py glob iglob | pathlib.py Path.rglob Path.glob"),
    ("decode a base64 string", "base64.py b64decode standard_b64decode decodebytes"),
    ("closest matches of a misspelled word", "difflib.py get_close_matches"),
    ("show what changed between two texts line by line", "difflib.py unified_diff ndiff context_diff Differ"),
    ("wrap a long paragraph to a width", "textwrap.py wrap fill"),
    ("remove common leading whitespace from a multiline string", "textwrap.py dedent"),
    ("run a command and capture its output", "subprocess.py run check_output getoutput getstatusoutput"),
    ("read a CSV file as dictionaries", "csv.py DictReader"),
    ("print a nested dictionary nicely", "pprint.py pprint PrettyPrinter pp"),
    ("split a URL into scheme, host and path", "urllib/parse.py urlsplit urlparse"),
    ("build a query string from a dictionary", "urllib/parse.py urlencode"),
    ("escape special characters for HTML", "html/__init__.py escape"),
    ("remember the results of function calls", "functools.py lru_cache cache _lru_cache_wrapper"),
    ("property that is computed once per instance", "functools.py cached_property"),
    ("count how often each element occurs", "collections/__init__.py Counter _count_elements"),
    ("secure random token for a link", "secrets.py token_urlsafe token_hex"),
    ("pick random elements with weights", "random.py Random.choices"),
    ("unpack all files of a zip archive", "zipfile.py ZipFile.extractall | shutil.py _unpack_zipfile unpack_archive"),
    ("log file that starts anew when it gets too big", "logging/handlers.py RotatingFileHandler"),
    ("measure how long a small piece of code takes", "timeit.py timeit Timer repeat"),
    ("ignore an exception in a with block", "contextlib.py suppress"),
    ("make a context manager out of a generator", "contextlib.py contextmanager _GeneratorContextManager"),
    ("guess the content type of a file", "mimetypes.py guess_type MimeTypes.guess_type"),
    ("how many days a month has", "calendar.py monthrange _monthlen"),
    ("evaluate a string that holds a Python literal safely", "ast.py literal_eval"),
    ("source code of a function", "inspect.py getsource getsourcelines"),
    ("replace an attribute with a mock during a test", "unittest/mock.py patch _patch _patch_object"),
)


def answers(path: str, symbol: str, told: str) -> bool:
    """Whether a hit is one of the symbols told, or lies in one."""
    for one in told.split(" | "):
        file, *symbols = one.split()
        if path == file and any(symbol == name or symbol.startswith(f"{name}.") for name in symbols):
            return True
    return False


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
