"""`python -m xtr_assets` is the command `xtr-assets`, for an interpreter whose scripts are not on the path."""

from xtr_assets.cli import main

if __name__ == "__main__":
    main()
