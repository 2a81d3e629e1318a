# docker build -t audit . && docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/work" audit compare original.onnx unlearned.onnx …
FROM rust:1-bookworm AS build
RUN apt-get update -qq \
    && apt-get install -y -qq --no-install-recommends libopenblas-dev pkg-config python3 python3-pip \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN scripts/setup && cargo build --release --locked

FROM debian:bookworm-slim
RUN apt-get update -qq \
    && apt-get install -y -qq --no-install-recommends libopenblas0-pthread libgomp1 \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /src/target/release/audit /usr/local/bin/audit
# `audit` looks beside itself for .runtime/.
COPY --from=build /src/.runtime /usr/local/bin/.runtime
WORKDIR /work
ENTRYPOINT ["audit"]
