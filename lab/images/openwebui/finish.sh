site=/usr/local/lib/python3.11/dist-packages
ln -s /usr/bin/python3 /usr/local/bin/python
ln -s /usr/bin/python3 /usr/local/bin/python3
find "$site/bin" -type f -exec sed -i '1s|^#!.*python.*|#!/usr/bin/python3|' {} +
mv "$site"/bin/uvicorn "$site"/bin/open-webui /usr/local/bin/
rm -r "$site/bin"

# As in the image: /app/backend/open_webui, /app/build, /app/package.json, /app/CHANGELOG.md.
mv "$site/open_webui" /app/backend/open_webui
mv /app/backend/open_webui/frontend /app/build
# Python that runs inside the browser: the lab has no browser.
rm -rf /app/build/pyodide
version=$(python3 -c 'from importlib.metadata import version; print(version("open-webui"))')
printf '{"name": "open-webui", "version": "%s"}\n' "$version" > /app/package.json
ln -s backend/open_webui/CHANGELOG.md /app/CHANGELOG.md
mkdir -p /app/backend/data

# Start once, so that every module that a start needs lies there compiled: a container would compile it all again each time.
cd /app/backend
data=$(mktemp -d)
DATA_DIR=$data WEBUI_SECRET_KEY=x OFFLINE_MODE=true HF_HUB_OFFLINE=1 BYPASS_EMBEDDING_AND_RETRIEVAL=true OLLAMA_BASE_URL=http://127.0.0.1:9 \
    ENABLE_OPENAI_API=false python3 -c 'import open_webui.main; print(open_webui.main.VERSION)'
rm -rf "$data"
