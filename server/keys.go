package server

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"kenserve/server/internal/core"
	"kenserve/server/internal/problem"
	"kenserve/server/internal/route"
)

// keys are the digests of the keys. Digests are compared in constant time, whatever
// the lengths of the keys.
type keys struct {
	use, admin [][sha256.Size]byte
}

// access is a level of permission.
type access int

const (
	accessNone  access = iota // the key is missing or wrong
	accessUse                 // classify and read
	accessAdmin               // change tasks too
)

func newKeys(o *Options) keys {
	digests := func(secrets []string) [][sha256.Size]byte {
		var out [][sha256.Size]byte
		for _, s := range secrets {
			out = append(out, sha256.Sum256([]byte(s)))
		}
		return out
	}
	return keys{use: digests(o.APIKeys), admin: digests(o.AdminKeys)}
}

// of returns the access of a request. authorization is "Bearer KEY"; plain is the key
// alone; both may be empty. If the server has no API keys, every request may use it.
func (k *keys) of(authorization, plain string) access {
	key := plain
	if scheme, rest, ok := strings.Cut(authorization, " "); ok && strings.EqualFold(scheme, "Bearer") {
		key = strings.TrimLeft(rest, " ")
	}
	digest := sha256.Sum256([]byte(key))
	in := func(list [][sha256.Size]byte) bool {
		found := 0
		for i := range list {
			found |= subtle.ConstantTimeCompare(list[i][:], digest[:])
		}
		return found == 1
	}
	use, admin := in(k.use), in(k.admin)
	switch {
	case admin:
		return accessAdmin
	case use, len(k.use) == 0:
		return accessUse
	}
	return accessNone
}

// refuse returns the problem of a request that has less access than it needs, or nil.
func (k *keys) refuse(have, want access) *problem.Problem {
	switch {
	case have >= want:
		return nil
	case want == accessAdmin && len(k.admin) == 0:
		return &problem.Problem{Status: http.StatusForbidden, Kind: problem.KindForbidden, Message: "changes are off: the server has no admin key"}
	case have == accessUse && len(k.use) > 0:
		return &problem.Problem{Status: http.StatusForbidden, Kind: problem.KindForbidden, Message: "this operation needs the admin key"}
	case want == accessAdmin:
		return &problem.Problem{Status: http.StatusUnauthorized, Kind: problem.KindUnauthorized, Message: "this operation needs the admin key: send it as Authorization: Bearer KEY"}
	}
	return &problem.Problem{Status: http.StatusUnauthorized, Kind: problem.KindUnauthorized, Message: "a key is needed: send it as Authorization: Bearer KEY"}
}

// authorize is the middleware that demands a key. Paths without a route need one too,
// so that answers do not show which routes exist.
func (s *Server) authorize(c *gin.Context) {
	if len(s.keys.use) == 0 || s.operation(c).Open {
		return
	}
	if denied := s.keys.refuse(s.access(c), accessUse); denied != nil {
		s.writeProblem(c, stateOf(c), denied)
		c.Abort()
	}
}

// access returns the access of an HTTP request.
func (s *Server) access(c *gin.Context) access {
	h := c.Request.Header
	return s.keys.of(h.Get("Authorization"), h.Get("X-Api-Key"))
}

// admin wraps a handler that needs the admin key.
func (s *Server) admin(f route.Handler) route.Handler {
	return func(c *gin.Context, state *core.RequestState) error {
		if denied := s.keys.refuse(s.access(c), accessAdmin); denied != nil {
			return denied
		}
		return f(c, state)
	}
}
