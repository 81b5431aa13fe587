"""Command line `jupyter logstream`: one module per verb group; parser.py declares them. Processes of their own."""
