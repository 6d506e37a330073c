package pruner

// WithIndexBlobs makes index files full with so few blobs.
func (o Options) WithIndexBlobs(n int) Options {
	o.indexBlobs = n
	return o
}
