package safetensors

import (
	"slices"
	"strings"
)

// wrappers are the components of names that a wrapper around a module adds, wherever the
// module is: torch.compile, FSDP, activation checkpoints, and Lightning Fabric.
var wrappers = []string{"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module"}

// ModelNames returns the names that a model's tensors have without wrappers around the
// model: without the components that torch.compile, FSDP and others add (_orig_mod), and,
// if all names begin with it, without "module." (data parallelism) or "model." (a
// model that is a member of another class). "model." stays before "layers.", where it
// belongs to the family itself. If two names would become one, all names stay.
func ModelNames(names []string) []string {
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = withoutWrappers(name)
	}
	for {
		prefix, ok := outerPrefix(out)
		if !ok {
			break
		}
		for i := range out {
			out[i] = strings.TrimPrefix(out[i], prefix)
		}
	}
	sorted := slices.Clone(out)
	slices.Sort(sorted)
	if len(slices.Compact(sorted)) != len(names) {
		return names
	}
	return out
}

func withoutWrappers(name string) string {
	for _, wrapper := range wrappers {
		if !strings.Contains(name, wrapper) {
			continue
		}
		components := strings.Split(name, ".")
		name = strings.Join(slices.DeleteFunc(components, func(c string) bool { return c == wrapper }), ".")
	}
	return name
}

// outerPrefix returns the prefix of a wrapper that all names have.
func outerPrefix(names []string) (prefix string, ok bool) {
	for _, prefix := range []string{"module.", "model."} {
		all, own := len(names) > 0, false
		for _, name := range names {
			all = all && len(name) > len(prefix) && strings.HasPrefix(name, prefix)
			own = own || strings.HasPrefix(name, "model.layers.")
		}
		if all && !own {
			return prefix, true
		}
	}
	return "", false
}
