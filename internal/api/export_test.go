package api

// Rights is the table of what each operation needs.
var Rights = rights
