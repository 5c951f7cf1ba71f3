"""The command line of psw: a thin face on the collection ``psw.ai``."""
