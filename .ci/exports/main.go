// Command exports lists the exported names that no other package of the module
// uses, and fails if there are any.
//
//	go run -C .ci ./exports
//	go run -C .ci ./exports -count    a line for each package, with its number of names
//
// It looks at functions, types, methods, fields, variables and constants. A use in
// the package itself or in its own tests does not count; one in the tests of
// another package does. These are not listed:
//
//   - a type that stands in the declaration of a name in use, such as the result
//     of a function: callers hold values of it without naming it;
//   - a method that an interface needs which its type implements, or a type that
//     embeds it, and a method of an interface that a type of another package
//     implements;
//   - a constant of an enumeration (a type of its own) of which others are in use;
//   - fields of structs with tags for JSON or another encoding, which reads them
//     by reflection;
//   - names in generated files and in package main.
//
// No other name is exempt.
package main

import (
	"cmp"
	"flag"
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"log"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

const module = "kenserve"

// builds are the settings under which packages are loaded: a name may be used in
// files of one of them only.
var builds = []struct{ goos, goarch, tags string }{
	{"linux", "amd64", ""},
	{"linux", "amd64", "bucket"},
	{"linux", "amd64", "noasm"},
	{"linux", "arm64", ""},
}

// reflected are methods that the standard library looks for by an interface
// without a name.
var reflected = map[string]bool{"Is": true, "As": true, "Unwrap": true, "Error": true, "String": true}

// name is an exported name.
type name struct {
	key string // "package.Name", "package.Type.Method" or "package.Type.Field"
	pos token.Position
}

// survey collects the names and uses of all builds.
type survey struct {
	root     string          // of the repository
	declared map[string]name // by key
	used     map[string]bool // keys that another package uses
	needed   map[string]bool // keys of methods that an interface needs
	implies  map[string][]string
	enums    map[string][]string // keys of the constants of a type, by its key
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("exports: ")
	count := flag.Bool("count", false, "print the number of names of each package")
	flag.Parse()
	root, err := filepath.Abs("..")
	if err != nil {
		log.Fatal(err)
	}
	s := &survey{root, map[string]name{}, map[string]bool{}, map[string]bool{}, map[string][]string{}, map[string][]string{}}
	for _, b := range builds {
		if err := s.load(b.goos, b.goarch, b.tags); err != nil {
			log.Fatal(err)
		}
	}
	unused := s.unused()
	counts := map[string]int{}
	for _, n := range unused {
		counts[packageOf(n.key)]++
		if !*count {
			fmt.Printf("%s:%d: %s is exported, and no other package uses it\n", n.pos.Filename, n.pos.Line, n.key)
		}
	}
	if *count {
		for _, p := range slices.Sorted(maps.Keys(counts)) {
			fmt.Printf("%4d %s\n", counts[p], p)
		}
	}
	if len(unused) > 0 {
		log.Fatalf("%d exported names that no other package uses: unexport them, or give them a user", len(unused))
	}
}

// packageOf returns the folder of a key's package.
func packageOf(key string) string {
	slash := strings.LastIndex(key, "/")
	dot := slash + strings.Index(key[slash+1:], ".") + 1
	return key[:dot]
}

// load adds a build to the survey.
func (s *survey) load(goos, goarch, tags string) error {
	fset := token.NewFileSet()
	roots, err := packages.Load(&packages.Config{
		Mode: packages.NeedName | packages.NeedImports | packages.NeedSyntax | packages.NeedTypes |
			packages.NeedTypesInfo | packages.NeedFiles | packages.NeedCompiledGoFiles,
		Dir:        s.root,
		Env:        append(os.Environ(), "CGO_ENABLED=0", "GOOS="+goos, "GOARCH="+goarch),
		BuildFlags: []string{"-tags=" + tags},
		Fset:       fset,
		Tests:      true,
	}, "./...")
	if err != nil {
		return err
	}
	var interfaces []*types.Interface
	var concrete []*types.Named // types of the module that are no interfaces
	seen := map[*types.Package]bool{}
	for _, p := range roots {
		for _, err := range p.Errors {
			return fmt.Errorf("%s/%s: %w", goos, goarch, err)
		}
		for _, imported := range append(p.Types.Imports(), p.Types) {
			if !seen[imported] {
				seen[imported] = true
				interfaces = append(interfaces, packageInterfaces(imported)...)
			}
		}
		interfaces = append(interfaces, localInterfaces(p)...)
		for _, n := range p.Types.Scope().Names() {
			if t, ok := p.Types.Scope().Lookup(n).(*types.TypeName); ok && !t.IsAlias() && !types.IsInterface(t.Type()) {
				if named := t.Type().(*types.Named); named.TypeParams().Len() == 0 {
					concrete = append(concrete, named)
				}
			}
		}
	}
	for _, t := range concrete {
		s.addPromoted(t, interfaces)
	}
	for _, p := range roots {
		s.addUses(p)
		// A package appears again as a variant with its tests, which declare nothing
		// for others.
		if p.Name != "main" && !strings.Contains(p.ID, ".test") {
			s.addDeclarations(fset, p, interfaces, concrete)
		}
	}
	return nil
}

// packageInterfaces returns the interfaces that a package declares by name.
func packageInterfaces(p *types.Package) []*types.Interface {
	var all []*types.Interface
	for _, n := range p.Scope().Names() {
		if t, ok := p.Scope().Lookup(n).(*types.TypeName); ok {
			if i, ok := t.Type().Underlying().(*types.Interface); ok && i.NumMethods() > 0 {
				all = append(all, i)
			}
		}
	}
	return all
}

// localInterfaces returns the interfaces in a package's code, without names too.
func localInterfaces(p *packages.Package) []*types.Interface {
	var all []*types.Interface
	for expr, t := range p.TypesInfo.Types {
		if _, ok := expr.(*ast.InterfaceType); ok {
			if i, ok := t.Type.(*types.Interface); ok && i.NumMethods() > 0 {
				all = append(all, i)
			}
		}
	}
	return all
}

// key returns the key of an exported object of the module, and "" for others.
func (s *survey) key(o types.Object) string {
	if o == nil || o.Pkg() == nil || !o.Exported() || !inModule(o.Pkg().Path()) {
		return ""
	}
	path := strings.TrimPrefix(o.Pkg().Path(), module+"/")
	switch o := o.(type) {
	case *types.Func:
		o = o.Origin()
		if recv := o.Signature().Recv(); recv != nil {
			owner := named(recv.Type())
			if owner == nil {
				return ""
			}
			return path + "." + owner.Obj().Name() + "." + o.Name()
		}
		return path + "." + o.Name()
	case *types.Var:
		if o.IsField() {
			owner := fieldOwner(o.Origin())
			if owner == "" {
				return ""
			}
			return path + "." + owner + "." + o.Name()
		}
		if o.Parent() == o.Pkg().Scope() {
			return path + "." + o.Name()
		}
	case *types.TypeName, *types.Const:
		if o.Parent() == o.Pkg().Scope() {
			return path + "." + o.Name()
		}
	}
	return ""
}

func inModule(path string) bool { return path == module || strings.HasPrefix(path, module+"/") }

// named returns the declared type behind a type or a pointer to it.
func named(t types.Type) *types.Named {
	if p, ok := types.Unalias(t).(*types.Pointer); ok {
		t = p.Elem()
	}
	if n, ok := types.Unalias(t).(*types.Named); ok {
		return n.Origin()
	}
	return nil
}

// fieldOwner returns the name of the struct at package level that has a field.
func fieldOwner(field *types.Var) string {
	scope := field.Pkg().Scope()
	for _, n := range scope.Names() {
		t, ok := scope.Lookup(n).(*types.TypeName)
		if !ok {
			continue
		}
		if st, ok := t.Type().Underlying().(*types.Struct); ok {
			for f := range st.Fields() {
				if f == field {
					return n
				}
			}
		}
	}
	return ""
}

// addUses adds the names of other packages that a package uses.
func (s *survey) addUses(p *packages.Package) {
	self := strings.TrimSuffix(p.PkgPath, "_test")
	use := func(o types.Object) {
		if o != nil && o.Pkg() != nil && o.Pkg().Path() != self && strings.TrimSuffix(o.Pkg().Path(), "_test") != self {
			if key := s.key(o); key != "" {
				s.used[key] = true
			}
		}
	}
	for _, o := range p.TypesInfo.Uses {
		use(o)
	}
	for _, sel := range p.TypesInfo.Selections {
		// The embedded fields that the selection passes.
		t := sel.Recv()
		for _, i := range sel.Index()[:len(sel.Index())-1] {
			if pointer, ok := t.Underlying().(*types.Pointer); ok {
				t = pointer.Elem()
			}
			st, ok := t.Underlying().(*types.Struct)
			if !ok {
				break
			}
			use(st.Field(i))
			t = st.Field(i).Type()
		}
	}
	for expr, t := range p.TypesInfo.Types {
		// A conversion from a struct to another uses all fields of both.
		if call, ok := expr.(*ast.CallExpr); ok && p.TypesInfo.Types[call.Fun].IsType() {
			for _, converted := range []types.Type{t.Type, p.TypesInfo.Types[call.Args[0]].Type} {
				if st, ok := converted.Underlying().(*types.Struct); ok {
					for f := range st.Fields() {
						use(f)
					}
				}
			}
			continue
		}
		// A literal without field names uses all fields.
		literal, ok := expr.(*ast.CompositeLit)
		if !ok || len(literal.Elts) == 0 {
			continue
		}
		if _, keyed := literal.Elts[0].(*ast.KeyValueExpr); keyed {
			continue
		}
		if st, ok := t.Type.Underlying().(*types.Struct); ok {
			for f := range st.Fields() {
				use(f)
			}
		}
	}
}

func implements(t types.Type, i *types.Interface) bool {
	return types.Implements(t, i) || types.Implements(types.NewPointer(t), i)
}

// addDeclarations adds the exported names of a package, the types that each one
// implies, and the methods that an interface needs.
func (s *survey) addDeclarations(fset *token.FileSet, p *packages.Package, interfaces []*types.Interface, concrete []*types.Named) {
	generated := map[string]bool{}
	for _, f := range p.Syntax {
		if ast.IsGenerated(f) {
			generated[fset.Position(f.Pos()).Filename] = true
		}
	}
	declare := func(o types.Object) {
		key, pos := s.key(o), fset.Position(o.Pos())
		if key == "" || generated[pos.Filename] {
			return
		}
		if file, err := filepath.Rel(s.root, pos.Filename); err == nil {
			pos.Filename = file
		}
		s.declared[key] = name{key, pos}
		s.implies[key] = append(s.implies[key], s.typesIn(o)...)
	}
	scope := p.Types.Scope()
	for _, n := range scope.Names() {
		o := scope.Lookup(n)
		if !o.Exported() {
			continue
		}
		declare(o)
		if c, ok := o.(*types.Const); ok {
			if t := named(c.Type()); t != nil && s.key(t.Obj()) != "" {
				s.enums[s.key(t.Obj())] = append(s.enums[s.key(t.Obj())], s.key(c))
			}
		}
		t, ok := o.(*types.TypeName)
		if !ok || t.IsAlias() {
			continue
		}
		named := t.Type().(*types.Named)
		for m := range named.Methods() {
			if !m.Exported() {
				continue
			}
			declare(m)
			if needs(named, m, interfaces) {
				s.needed[s.key(m)] = true
			}
		}
		switch u := named.Underlying().(type) {
		case *types.Struct:
			if !encoded(u) {
				for f := range u.Fields() {
					declare(f)
				}
			}
		case *types.Interface:
			implemented := slices.ContainsFunc(concrete, func(c *types.Named) bool {
				return c.Obj().Pkg().Path() != p.PkgPath && implements(c, u)
			})
			for m := range u.ExplicitMethods() {
				declare(m)
				if implemented || needs(named, m, without(interfaces, u)) {
					s.needed[s.key(m)] = true
				}
			}
		}
	}
}

// addPromoted adds the methods of embedded fields by which a type implements an
// interface.
func (s *survey) addPromoted(t *types.Named, interfaces []*types.Interface) {
	st, ok := t.Underlying().(*types.Struct)
	if !ok {
		return
	}
	embeds := false
	for f := range st.Fields() {
		embeds = embeds || f.Embedded()
	}
	if !embeds {
		return
	}
	for _, i := range interfaces {
		if !implements(t, i) {
			continue
		}
		for im := range i.Methods() {
			if m, path, _ := types.LookupFieldOrMethod(t, true, im.Pkg(), im.Name()); len(path) > 1 {
				if key := s.key(m); key != "" {
					s.needed[key] = true
				}
			}
		}
	}
}

// without returns the interfaces but one and those identical to it.
func without(interfaces []*types.Interface, i *types.Interface) []*types.Interface {
	var rest []*types.Interface
	for _, other := range interfaces {
		if !types.Identical(other, i) {
			rest = append(rest, other)
		}
	}
	return rest
}

// needs tells whether an interface needs a method of a type.
func needs(t *types.Named, m *types.Func, interfaces []*types.Interface) bool {
	if reflected[m.Name()] {
		return true
	}
	var of types.Type = t
	if n := t.TypeParams().Len(); n > 0 {
		// A generic type implements what its instance does.
		of, _ = types.Instantiate(nil, t, slices.Repeat([]types.Type{types.Typ[types.Int]}, n), false)
	}
	return slices.ContainsFunc(interfaces, func(i *types.Interface) bool {
		for im := range i.Methods() {
			if im.Name() == m.Name() {
				return implements(of, i)
			}
		}
		return false
	})
}

// encoded tells whether a struct has tags for an encoding.
func encoded(s *types.Struct) bool {
	for i := range s.NumFields() {
		if reflect.StructTag(s.Tag(i)) != "" {
			return true
		}
	}
	return false
}

// typesIn returns the keys of the module's types in an object's declaration. The
// fields of a struct are not part of its declaration here: each has its own key.
func (s *survey) typesIn(o types.Object) []string {
	var keys []string
	var visit func(t types.Type)
	visit = func(t types.Type) {
		switch t := t.(type) {
		case *types.Alias:
			keys = append(keys, s.key(t.Obj()))
			visit(types.Unalias(t))
		case *types.Named:
			keys = append(keys, s.key(t.Origin().Obj()))
			for a := range t.TypeArgs().Types() {
				visit(a)
			}
		case interface{ Elem() types.Type }:
			if m, ok := t.(*types.Map); ok {
				visit(m.Key())
			}
			visit(t.Elem())
		case *types.Signature:
			for v := range t.Params().Variables() {
				visit(v.Type())
			}
			for v := range t.Results().Variables() {
				visit(v.Type())
			}
		case *types.Struct:
			for f := range t.Fields() {
				visit(f.Type())
			}
		case *types.Interface:
			for m := range t.Methods() {
				visit(m.Type())
			}
		}
	}
	if t, ok := o.(*types.TypeName); ok && !t.IsAlias() {
		if _, ok := t.Type().Underlying().(*types.Struct); !ok {
			visit(t.Type().Underlying())
		} else if encoded(t.Type().Underlying().(*types.Struct)) {
			visit(t.Type().Underlying())
		}
	} else {
		visit(o.Type())
	}
	return slices.DeleteFunc(keys, func(k string) bool { return k == "" })
}

// unused returns the names without a use, sorted by place.
func (s *survey) unused() []name {
	inUse := map[string]bool{}
	var mark func(key string)
	mark = func(key string) {
		if !inUse[key] {
			inUse[key] = true
			for _, k := range s.implies[key] {
				mark(k)
			}
		}
	}
	for key := range s.used {
		mark(key)
	}
	for _, constants := range s.enums {
		if slices.ContainsFunc(constants, func(k string) bool { return inUse[k] }) {
			for _, k := range constants {
				mark(k)
			}
		}
	}
	var names []name
	for key, n := range s.declared {
		// A needed method is exempt, but does not bring its types into use.
		if !inUse[key] && !s.needed[key] {
			names = append(names, n)
		}
	}
	slices.SortFunc(names, func(a, b name) int {
		return cmp.Or(cmp.Compare(a.pos.Filename, b.pos.Filename), cmp.Compare(a.pos.Line, b.pos.Line), cmp.Compare(a.key, b.key))
	})
	return names
}
