# The static program in an image with nothing else: no shell, no package manager,
# not root.
#
#   docker build -t kenserve .
#   docker run -p 8080:8080 -v $PWD/examples/demo:/data:ro kenserve
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
COPY internal/nomsgpack internal/nomsgpack
RUN go mod download
COPY . .
# -tags bucket: the image has the cloud clients for s3://, gs:// and azblob://.
# -s -w leave out symbols and debug data, which nobody reads in an image without
# a debugger; -trimpath leaves out the build machine's paths. Stack traces of
# panics keep their function names and lines.
RUN CGO_ENABLED=0 go build -tags bucket -trimpath -ldflags="-s -w" -o /out/kenserve ./cmd/serve && mkdir /out/cache

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /out/kenserve /kenserve
COPY --from=build /src/LICENSE /src/NOTICE /
# Where deltas in the small layout are unpacked; a volume, if they are many.
COPY --from=build --chown=65532:65532 /out/cache /cache
ENV KENSERVE_LISTEN=:8080 KENSERVE_BASE=/data/base KENSERVE_STORE=/data/tasks KENSERVE_CACHE=/cache KENSERVE_LOG_FORMAT=json
USER 65532:65532
EXPOSE 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["/kenserve"]
CMD ["serve"]
