// Package hugepages asks the system for huge pages. Large memory that is read or filled
// as a whole is faster with them: it has more small pages than the TLB has entries, and
// each page is a fault when it is first written.
package hugepages

// Size is the size of a huge page in bytes, on the processors that this program is tuned
// for. Where pages are larger or there are none, only speed is lost.
const Size = 2 << 20
