package viz

// View is the numbers of a view: a *Kept, *Neighbours, *Layers, *Density, *Changes or
// *Shares. Package figure draws it.
type View interface{ isView() }

func (*Kept) isView()       {}
func (*Neighbours) isView() {}
func (*Layers) isView()     {}
func (*Density) isView()    {}
func (*Changes) isView()    {}
func (*Shares) isView()     {}
