package server

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode"

	"github.com/gin-gonic/gin"

	"kenserve/server/internal/core"
	"kenserve/server/internal/problem"
	"kenserve/server/internal/route"
)

// keys are the digests of the keys; the keys themselves are not kept. Digests are
// compared in constant time, whatever the lengths of the keys.
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

// digestPrefix begins a key that is given as its SHA-256, in hexadecimal.
const digestPrefix = "sha256:"

// newKeys returns the digests of keys, each of which is a key or its digest.
func newKeys(use, admin []string) (keys, error) {
	digests := func(secrets []string) ([][sha256.Size]byte, error) {
		var out [][sha256.Size]byte
		for _, s := range secrets {
			d, err := digestOf(s)
			if err != nil {
				return nil, err
			}
			out = append(out, d)
		}
		return out, nil
	}
	var k keys
	var err, errAdmin error
	k.use, err = digests(use)
	k.admin, errAdmin = digests(admin)
	return k, errors.Join(err, errAdmin)
}

// digestOf returns the digest of a key. The error does not show the key.
func digestOf(key string) ([sha256.Size]byte, error) {
	if hexDigest, ok := strings.CutPrefix(key, digestPrefix); ok {
		b, err := hex.DecodeString(hexDigest)
		if err != nil || len(b) != sha256.Size {
			return [sha256.Size]byte{}, fmt.Errorf("server: a key begins with %s, but 64 hexadecimal digits do not follow", digestPrefix)
		}
		return [sha256.Size]byte(b), nil
	}
	visible := func(r rune) bool { return unicode.IsGraphic(r) && !unicode.IsSpace(r) }
	switch {
	case !strings.ContainsFunc(key, visible):
		return [sha256.Size]byte{}, errors.New("server: a key is empty; set it, or remove the setting")
	case strings.ContainsFunc(key, func(r rune) bool { return !unicode.IsPrint(r) }), strings.TrimSpace(key) != key:
		return [sha256.Size]byte{}, errors.New("server: a key has white space around it, or a character that is not printable, so that no client can send it")
	}
	return sha256.Sum256([]byte(key)), nil
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

// refuseHTTP returns the problem of an HTTP request that has less access than it
// needs, or nil.
func (k *keys) refuseHTTP(r *http.Request, want access) *problem.Problem {
	return k.refuse(k.of(r.Header.Get("Authorization"), r.Header.Get("X-Api-Key")), want)
}

// authorize is the middleware that demands a key. Paths without a route need one too,
// so that answers do not show which routes exist.
func (s *Server) authorize(c *gin.Context) {
	keys := &s.rules.Load().keys
	if len(keys.use) == 0 || s.operation(c).Open {
		return
	}
	if denied := keys.refuseHTTP(c.Request, accessUse); denied != nil {
		s.writeProblem(c, stateOf(c), denied)
		c.Abort()
	}
}

// admin wraps a handler that needs the admin key.
func (s *Server) admin(f route.Handler) route.Handler {
	return func(c *gin.Context, state *core.RequestState) error {
		if denied := s.rules.Load().keys.refuseHTTP(c.Request, accessAdmin); denied != nil {
			return denied
		}
		return f(c, state)
	}
}
