package route

import (
	"reflect"
	"strings"
)

// API is one API: its operations and the format of its errors.
type API struct {
	// Prefix begins the paths of the API, those without an operation too: they
	// get its errors. The native API has no prefix and owns all other paths.
	Prefix      string
	EncodeError ErrorEncoder
	ErrorBody   reflect.Type // wire type of an error
	Operations  []Operation
	Members     []Members // of the requests' objects
}

func (a *API) owns(path string) bool {
	rest, ok := strings.CutPrefix(path, a.Prefix)
	return ok && (rest == "" || rest[0] == '/' || strings.HasSuffix(a.Prefix, "/"))
}

// Table is all APIs of a server. The first one has no prefix.
type Table []API

// Owner returns the API that owns a path.
func (t Table) Owner(path string) *API {
	for i := range t[1:] {
		if t[1+i].owns(path) {
			return &t[1+i]
		}
	}
	return &t[0]
}

// Operations returns the operations of all APIs.
func (t Table) Operations() []Operation {
	var all []Operation
	for _, api := range t {
		all = append(all, api.Operations...)
	}
	return all
}
