package route

import (
	"reflect"

	"kenserve/internal/settings"
)

// Members are the members of one object of an operation's request: those that take
// effect, which are the wire type's, and others that clients may send. The tables in
// docs/http.md are made from them.
type Members struct {
	Operation string // its Name
	// Object is the path of the object in the request, as in inputs[0].parameters;
	// empty: the body itself.
	Object string
	Wire   reflect.Type
	Others settings.Table
}
