package dashboard

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"mime"
	"net/http"
	"path"
	"strings"

	"github.com/gin-gonic/gin"

	"kenserve/server/internal/core"
	"kenserve/server/internal/problem"
	"kenserve/server/internal/route"
)

// pageFiles is the web page: HTML, CSS and JavaScript modules. The page calls the
// same routes as every client, with a key that its user types. The files themselves
// need no key.
//
//go:embed page
var pageFiles embed.FS

// pagePolicy allows the page to load, run and call only what this server serves.
// Frames are for KENviz.
var pagePolicy = []string{"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"}

// pageCache makes a browser keep the files and ask for changes each time.
var pageCache = []string{"no-cache"}

// pageFile is a file of the page with its headers.
type pageFile struct {
	body        []byte
	contentType []string
	etag        []string
}

// pageTypes are the media types by file extension. Package mime would use the tables
// of the machine.
var pageTypes = map[string]string{".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

// loadPage reads the embedded files.
func loadPage() (map[string]*pageFile, error) {
	entries, err := pageFiles.ReadDir("page")
	if err != nil {
		return nil, fmt.Errorf("server: page: %w", err)
	}
	files := make(map[string]*pageFile, len(entries))
	for _, e := range entries {
		body, err := pageFiles.ReadFile("page/" + e.Name())
		if err != nil {
			return nil, fmt.Errorf("server: page: %w", err)
		}
		kind := pageTypes[path.Ext(e.Name())]
		if kind == "" {
			return nil, fmt.Errorf("server: page: file %s has no media type", e.Name())
		}
		digest := sha256.Sum256(body)
		files[e.Name()] = &pageFile{
			body:        body,
			contentType: []string{mime.FormatMediaType(kind, map[string]string{"charset": "utf-8"})},
			etag:        []string{`"` + hex.EncodeToString(digest[:8]) + `"`},
		}
	}
	return files, nil
}

// getPage answers GET / and GET /page/{file}.
func (d *Dashboard) getPage(c *gin.Context, _ *core.RequestState) error {
	name := c.Param("file")
	if c.FullPath() == pagePath {
		name = "index.html"
	}
	file := d.page[name]
	if file == nil {
		return problem.NoRoute()
	}
	h := c.Writer.Header()
	h["Content-Security-Policy"] = pagePolicy
	h["Cache-Control"] = pageCache
	h["Etag"] = file.etag
	for tag := range strings.SplitSeq(c.Request.Header.Get("If-None-Match"), ",") {
		if strings.TrimPrefix(strings.TrimSpace(tag), "W/") == file.etag[0] {
			c.Status(http.StatusNotModified)
			return nil
		}
	}
	route.Write(c, http.StatusOK, file.contentType, file.body)
	return nil
}
