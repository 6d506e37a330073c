package api

// register lists every operation of the API.
func (a *API) register() {
	a.registerSession()
	a.registerProfile()
	a.registerPasskeys()
	a.registerServer()
	a.registerServerBackup()
	a.registerAudit()
	a.registerAuditExport()
	a.registerAuditSinks()
	nouns(a, "users", a.App.Users)
	nouns(a, "groups", a.App.Groups)
	nouns(a, "roles", a.App.Roles)
	nouns(a, "grants", a.App.Grants)
	nouns(a, "projects", a.App.Projects)
	a.registerPlaces()
	a.registerRuns()
	a.registerClock()
	a.registerVault()
	a.registerNotifications()
	a.registerEvents()
	a.registerMetrics()
	a.registerBrowse()
	a.registerRestores()
	a.registerCompat()
	a.registerSearch()
}
