"""python -m fastloop: runs a program on fastloop. command/ does the work."""

from fastloop.command.main import main

if __name__ == "__main__":
    main()
