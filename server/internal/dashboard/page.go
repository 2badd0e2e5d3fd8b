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

// pageFiles is the web page: HTML, CSS, and JavaScript modules. It asks the
// same routes as everyone, with a key that its user types if one is needed;
// the files themselves hold nothing that needs one.
//
//go:embed page
var pageFiles embed.FS

// pagePolicy lets the page load, run and ask what comes from this server and
// nothing else. Frames are for KENviz.
var pagePolicy = []string{"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"}

// A browser keeps the page, and asks each time whether it is still this one.
var pageCache = []string{"no-cache"}

// pageFile is a file of the page, ready to be sent.
type pageFile struct {
	body        []byte
	contentType []string
	etag        []string
}

// pageTypes are the types of the files by extension; what the machine's own
// tables say does not matter.
var pageTypes = map[string]string{".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

// loadPage reads the embedded files, by name.
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
			return nil, fmt.Errorf("server: page: %s has no type", e.Name())
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
