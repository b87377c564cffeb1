#!/bin/sh
# Print the Python to make environments with: $PYTHON where it is set, else the newest that fits.
# A name on the PATH proves nothing (version managers leave shims), so each one is run.
set -eu
for candidate in ${PYTHON:-python3.13 python3.12 python3.11 python3}; do
    if "$candidate" -c 'import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null
    then
        echo "$candidate"
        exit 0
    fi
done
cat >&2 <<END
Crux needs Python 3.11, 3.12 or 3.13 with its venv module; tried: ${PYTHON:-python3.13 python3.12 python3.11 python3}.
Install one (on Debian and Ubuntu: python3 and python3-venv), or name it: make install PYTHON=/path/to/python3.12
END
exit 1
