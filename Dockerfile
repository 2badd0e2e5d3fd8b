# An image with only the static program, its licences and CA certificates: no shell,
# no package manager, no root.
#
#   docker build -t kenserve .
#   docker run -p 8080:8080 -v $PWD/examples/demo:/data:ro kenserve
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
COPY internal/unused internal/unused
RUN go mod download
COPY . .
# -tags bucket: the image has the cloud clients for s3://, gs:// and azblob://.
# -s -w remove the symbol table and debug data, which an image without a debugger
# does not need; -trimpath removes the paths of the build machine. Stack traces of
# panics keep function names and lines.
RUN CGO_ENABLED=0 go build -tags bucket -trimpath -ldflags="-s -w" -o /out/kenserve ./cmd/serve && mkdir /out/cache

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /out/kenserve /kenserve
COPY --from=build /src/LICENSE /src/NOTICE /
# Deltas in the small layout are unpacked here; mount a volume if there are many.
COPY --from=build --chown=65532:65532 /out/cache /cache
ENV KENSERVE_LISTEN=:8080 KENSERVE_BASE=/data/base KENSERVE_STORE=/data/tasks KENSERVE_CACHE=/cache KENSERVE_LOG_FORMAT=json
USER 65532:65532
EXPOSE 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["/kenserve"]
CMD ["serve"]
