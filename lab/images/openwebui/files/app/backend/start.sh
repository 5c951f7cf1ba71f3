#!/usr/bin/env bash
# Starts Open WebUI as its image does. A secret key that nobody gave is made here and is lost with the container.
set -eu
cd "$(dirname -- "${BASH_SOURCE[0]}")"

key_file=${WEBUI_SECRET_KEY_FILE:-.webui_secret_key}
if [[ -z ${WEBUI_SECRET_KEY:-}${WEBUI_JWT_SECRET_KEY:-} ]]; then
    [[ -e $key_file ]] || head -c 24 /dev/random | base64 > "$key_file"
    WEBUI_SECRET_KEY=$(< "$key_file")
fi
export WEBUI_SECRET_KEY

exec python3 -m uvicorn open_webui.main:app --host "${HOST:-0.0.0.0}" --port "${PORT:-8080}" --forwarded-allow-ips "${FORWARDED_ALLOW_IPS:-*}" \
    --workers "${UVICORN_WORKERS:-1}" --ws auto
