# ondes with the demo, on a CPU: docker build -t ondes . && docker run --rm -p 7860:7860 ondes
# The command line: docker run --rm -v "$PWD:/work" ondes ondes synth recordings/ -o out/ --resample
FROM python:3.11-slim AS build
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends gcc g++ && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY .ci .ci
COPY vocoders vocoders
COPY effects effects
COPY recipes recipes
COPY demo demo
COPY egs egs
RUN python -m venv /opt/ondes \
  && /opt/ondes/bin/pip install --no-cache-dir torch==2.11.0 torchaudio==2.11.0 --index-url https://download.pytorch.org/whl/cpu \
  && sed '/^nvidia-/d; /^cuda-/d; /^triton==/d; /^torch/d' .ci/constraints.txt > constraints.txt \
  && /opt/ondes/bin/pip install --no-cache-dir '.[demo,metrics,f0,export]' -c constraints.txt

FROM python:3.11-slim
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends ffmpeg && rm -rf /var/lib/apt/lists/* \
  && useradd --create-home ondes && mkdir /work && chown ondes /work
COPY --from=build /opt/ondes /opt/ondes
ENV PATH=/opt/ondes/bin:$PATH NUMBA_CACHE_DIR=/home/ondes/.cache/numba
# hadolint ignore=DL3066
USER ondes
WORKDIR /work
# Compile the loops once, in the image.
RUN ondes try -o /tmp/first && rm -r /tmp/first && ondes doctor
EXPOSE 7860
CMD ["python", "-m", "demo", "--host", "0.0.0.0", "--port", "7860"]
