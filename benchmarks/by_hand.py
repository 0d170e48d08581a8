"""Ninety questions that a Python programmer asks of the standard library: how many have an answer in the first three.

    python benchmarks/stdlib.py --keep FOLDER
    python benchmarks/by_hand.py FOLDER/warehouse [--mode MODE]

Forty, and fifty more a while later; each time questions and answers were written before any of them was asked, and
none was changed since. One hit a symbol; a hit answers where it is a symbol of the module, or lies in one. Of forty,
two more or less are chance.
"""

import argparse
import sys
from pathlib import Path

import xtr_assets as xa
from xtr_assets.search.ranker import Mode

DEEP = 100
# Question, module, symbols of which any answers; several modules apart by a bar.
FORTY = (
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

FIFTY = (
    ("merge several sorted lists into one", "heapq merge"),
    ("the ten biggest items of a list", "heapq nlargest"),
    ("insert into a list and keep it sorted", "bisect insort insort_right insort_left"),
    ("queue that gives the smallest item first", "queue PriorityQueue"),
    ("call a function after some seconds in another thread", "threading Timer"),
    (
        "pool of worker processes",
        "multiprocessing.pool Pool | concurrent.futures.process ProcessPoolExecutor"
        " | multiprocessing.context BaseContext.Pool",
    ),
    ("get the results of futures as they finish", "concurrent.futures._base as_completed | asyncio.tasks as_completed"),
    (
        "parse command line options",
        "argparse ArgumentParser ArgumentParser.parse_args | optparse OptionParser OptionParser.parse_args"
        " | getopt getopt gnu_getopt",
    ),
    (
        "read settings from an ini file",
        "configparser ConfigParser RawConfigParser RawConfigParser.read RawConfigParser.read_file",
    ),
    ("turn a dictionary into a JSON string", "json dumps | json.encoder JSONEncoder JSONEncoder.encode"),
    ("save an object to a file", "pickle dump _dump _Pickler Pickler _Pickler.dump | shelve open"),
    ("deep copy of nested lists", "copy deepcopy _deepcopy_list"),
    ("compress bytes with gzip", "gzip compress GzipFile"),
    ("add files to a tar archive", "tarfile TarFile.add TarFile.addfile"),
    ("download a web page", "urllib.request urlopen urlretrieve"),
    ("serve the files of a folder over http", "http.server SimpleHTTPRequestHandler"),
    ("sha256 of a file", "hashlib file_digest"),
    ("random unique identifier", "uuid uuid4 uuid1"),
    ("check whether an address belongs to a network", "ipaddress _BaseNetwork.__contains__ ip_network _BaseNetwork"),
    ("go through all files in a directory tree", "os walk fwalk | pathlib Path.rglob"),
    ("create a directory with its parents", "os makedirs | pathlib Path.mkdir"),
    ("read a whole text file into a string", "pathlib Path.read_text"),
    ("environment variable with a default value", "os getenv _Environ"),
    ("find where a program is installed", "shutil which"),
    ("ask for a password without showing it", "getpass getpass unix_getpass win_getpass"),
    ("exact fraction of a float", "fractions Fraction Fraction.from_float Fraction.limit_denominator"),
    ("average of a list of numbers", "statistics mean fmean"),
    ("format a date for an email header", "email.utils formatdate format_datetime"),
    ("load a time zone by its name", "zoneinfo._zoneinfo ZoneInfo | zoneinfo ZoneInfo"),
    (
        "traceback of the current exception as a string",
        "traceback format_exc format_exception TracebackException.format",
    ),
    (
        "find out which functions take the most time",
        "cProfile Profile run | profile Profile run | pstats Stats.print_stats Stats",
    ),
    ("stop here and open the debugger", "pdb set_trace Pdb.set_trace post_mortem | bdb Bdb.set_trace"),
    ("run the examples in docstrings as tests", "doctest testmod testfile DocTestRunner DocTestSuite"),
    ("class that only holds data with a generated constructor", "dataclasses dataclass make_dataclass"),
    ("copy of a dataclass with some fields changed", "dataclasses replace"),
    ("fix some arguments of a function", "functools partial"),
    ("choose an implementation by the type of the argument", "functools singledispatch singledispatchmethod"),
    ("look up a key in several dictionaries", "collections ChainMap"),
    ("quote a string for the shell", "shlex quote"),
    ("split a string like the shell does", "shlex split"),
    (
        "replace placeholders with a dollar sign in a text",
        "string Template Template.substitute Template.safe_substitute",
    ),
    ("visit all nodes of a syntax tree", "ast NodeVisitor walk NodeVisitor.visit NodeVisitor.generic_visit"),
    ("compare memory snapshots to find a leak", "tracemalloc take_snapshot Snapshot.compare_to Snapshot"),
    ("dictionary that forgets entries when the values are not used any more", "weakref WeakValueDictionary"),
    ("convert rgb to hsv", "colorsys rgb_to_hsv"),
    ("get a certain line of a file", "linecache getline getlines"),
    ("file locking of a mailbox", "mailbox mbox.lock _mboxMMDF.lock Mailbox.lock _singlefileMailbox.lock _lock_file"),
    (
        "parse an XML file",
        "xml.etree.ElementTree parse ElementTree.parse iterparse | xml.dom.minidom parse | xml.sax parse",
    ),
    ("wait until a thread is done", "threading Thread.join"),
    ("redirect printed output into a variable", "contextlib redirect_stdout"),
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
    with xa.open(given.warehouse) as searcher:
        for questions in (FORTY, FIFTY):
            ranks = [_rank(searcher, question, told, mode) for question, told in questions]
            shares = ", ".join(f"{sum(rank <= k for rank in ranks)} in the first {k}" for k in (1, 3, 10))
            print(f"of {len(ranks)}: {shares}", file=sys.stderr)


def _rank(searcher: xa.Searcher, question: str, told: str, mode: Mode) -> int:
    """Of the first answer, printed with the first hit where that is none; DEEP + 1 where there is none."""
    hits = searcher.search(question, k=DEEP, mode=mode, collapse="symbol")
    rank = next((rank for rank, hit in enumerate(hits, 1) if answers(hit.path, hit.symbol, told)), DEEP + 1)
    print(f"{rank:>4}  {question:<72} {f'{hits[0].path} {hits[0].symbol}' if rank > 1 and hits else ''}")
    return rank


if __name__ == "__main__":
    main()
