"""`make bench`: everything that is measured."""

from benchmarks.full_sync import main

main()
