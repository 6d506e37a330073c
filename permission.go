package backstay

import (
	"slices"
	"strings"
)

// Permission is one thing that a person may be allowed to do. Deny by default: without a grant that gives it, it is refused.
type Permission string

// The permissions. Which role has which stands in the table below; what each is for, in its title there.
const (
	ManageSystem      Permission = "system.settings.manage"
	ManageUsers       Permission = "user.manage"
	ReadUsers         Permission = "user.read"
	ManageSignIn      Permission = "signin.manage"
	ManageRoles       Permission = "role.manage"
	ManageGrants      Permission = "grant.manage"
	ManageProjects    Permission = "project.manage"
	ReadSources       Permission = "source.read"
	ManageSources     Permission = "source.manage"
	ManageModules     Permission = "module.manage"
	ManageStorages    Permission = "storage.manage"
	ManageRepository  Permission = "repository.manage"
	DeleteRepository  Permission = "repository.delete"
	UnlockRepository  Permission = "repository.unlock"
	ManagePlans       Permission = "plan.manage"
	ShortenRetention  Permission = "retention.shorten"
	StartRuns         Permission = "run.start"
	ListSnapshots     Permission = "snapshot.list"
	BrowseSnapshots   Permission = "snapshot.browse"
	ReadSnapshots     Permission = "snapshot.read"
	PlanRestores      Permission = "restore.plan"
	RestoreElsewhere  Permission = "restore.run"
	RestoreInPlace    Permission = "restore.overwrite"
	ProtectSnapshots  Permission = "snapshot.protect"
	DeleteSnapshots   Permission = "snapshot.delete"
	StartVerification Permission = "verify.run"
	UseVault          Permission = "vault.use"
	RevealSecrets     Permission = "vault.reveal"
	ExportRecoveryKit Permission = "recoverykit.export"
	ManageChannels    Permission = "channel.manage"
	ReadReports       Permission = "report.read"
	ExportReports     Permission = "report.export"
	ReadAudit         Permission = "audit.read"
	ExportAudit       Permission = "audit.export"
	CreateTokens      Permission = "token.create"
)

// Allowance is how a role has a permission.
type Allowance string

// The allowances. What is Fresh needs a sign-in that was confirmed just now, in a session: a token never has it. Of what is Own
// a person has it for what they own, and where the grant names a source or something else within a project.
const (
	Never    Allowance = "-"
	Always   Allowance = "Y"
	Fresh    Allowance = "M"
	Own      Allowance = "*"
	OwnFresh Allowance = "M*"
)

// PermissionRow is one permission of the table.
type PermissionRow struct {
	Permission Permission
	Title      string // what one may do with it, as a person says it
	allowances string // by the order of the built-in roles
}

// Of returns how the built-in role has the permission.
func (r PermissionRow) Of(role RoleName) Allowance {
	i := slices.Index(builtIn, role)
	if i < 0 {
		return Never
	}
	return Allowance(strings.Fields(r.allowances)[i])
}

// Dangerous reports whether the permission asks for a confirmed sign-in in every role that has it. Roles that people make have it so.
func (r PermissionRow) Dangerous() bool {
	for cell := range strings.FieldsSeq(r.allowances) {
		if a := Allowance(cell); a == Always || a == Own {
			return false
		}
	}
	return true
}

// permissions is the one table that decides: routes, pages and tests read it.
var permissions = []PermissionRow{
	//                                                                        owner system project backup operator restorer member viewer auditor compliance
	{ManageSystem, "change the settings of the server", "                          M  M  -  -  -  -  -  -  -  -"},
	{ManageUsers, "invite, change and remove people and groups", "                 M  M  -  -  -  -  -  -  -  -"},
	{ReadUsers, "see people, groups and rights", "                                 Y  Y  Y  -  -  -  -  -  Y  Y"},
	{ManageSignIn, "say how people sign in", "                                     M  M  -  -  -  -  -  -  -  -"},
	{ManageRoles, "make and change roles", "                                       M  M  -  -  -  -  -  -  -  -"},
	{ManageGrants, "give and take rights", "                                       M  M  M  -  -  -  -  -  -  -"},
	{ManageProjects, "create and delete projects", "                               M  M  -  -  -  -  -  -  -  -"},
	{ReadSources, "see sources, storages, plans and runs", "                       Y  Y  Y  Y  Y  Y  *  Y  Y  Y"},
	{ManageSources, "create, change and delete sources", "                         Y  Y  Y  Y  -  -  -  -  -  -"},
	{ManageModules, "create, change and delete modules", "                         Y  Y  Y  Y  -  -  -  -  -  -"},
	{ManageStorages, "create, change and delete storages", "                       Y  Y  Y  Y  -  -  -  -  -  -"},
	{ManageRepository, "create, adopt and change repositories", "                  Y  Y  Y  Y  -  -  -  -  -  -"},
	{DeleteRepository, "take a repository out of Backstay", "                      M  M  M  -  -  -  -  -  -  -"},
	{UnlockRepository, "remove locks of others from a repository", "               M  M  M  -  -  -  -  -  -  -"},
	{ManagePlans, "create, change and delete backup plans", "                      Y  Y  Y  Y  -  -  -  -  -  -"},
	{ShortenRetention, "let a plan keep less than before", "                       M  M  M  M  -  -  -  -  -  -"},
	{StartRuns, "start, cancel and retry runs", "                                  Y  Y  Y  Y  Y  -  *  -  -  -"},
	{ListSnapshots, "see which snapshots there are", "                             Y  Y  Y  Y  Y  Y  *  Y  Y  Y"},
	{BrowseSnapshots, "see the names of files in snapshots", "                     Y  Y  Y  Y  Y  Y  *  -  -  -"},
	{ReadSnapshots, "read and download what is in snapshots", "                    M  -  Y  Y  -  Y  *  -  -  -"},
	{PlanRestores, "see what a restore would do", "                                Y  Y  Y  Y  Y  Y  *  -  -  -"},
	{RestoreElsewhere, "restore to another place", "                               Y  -  Y  Y  -  Y  *  -  -  -"},
	{RestoreInPlace, "restore over the original", "                                M  -  M  M  -  M  M* -  -  -"},
	{ProtectSnapshots, "protect snapshots from retention", "                       Y  Y  Y  Y  Y  -  -  -  -  Y"},
	{DeleteSnapshots, "delete snapshots", "                                        M  M  M  M  -  -  -  -  -  -"},
	{StartVerification, "start verifications", "                                   Y  Y  Y  Y  Y  -  -  -  -  Y"},
	{UseVault, "use stored credentials", "                                         Y  Y  Y  Y  -  -  -  -  -  -"},
	{RevealSecrets, "see stored credentials", "                                    M  M  M  -  -  -  -  -  -  -"},
	{ExportRecoveryKit, "print the recovery kit", "                                M  M  M  -  -  -  -  -  -  -"},
	{ManageChannels, "say who is notified, of what and how", "                     Y  Y  Y  Y  -  -  *  -  -  *"},
	{ReadReports, "read reports and figures", "                                    Y  Y  Y  Y  Y  -  *  Y  Y  Y"},
	{ExportReports, "export reports", "                                            Y  Y  Y  Y  -  -  -  -  Y  Y"},
	{ReadAudit, "read the audit trail", "                                          Y  Y  Y  -  -  -  *  -  Y  Y"},
	{ExportAudit, "export the audit trail", "                                      Y  Y  Y  -  -  -  -  -  Y  Y"},
	{CreateTokens, "create API tokens for oneself", "                              Y  Y  Y  Y  Y  Y  Y  -  Y  Y"},
}

// Permissions returns the table.
func Permissions() []PermissionRow { return slices.Clone(permissions) }

// FindPermission returns the row of a permission.
func FindPermission(p Permission) (row PermissionRow, ok bool) {
	i := slices.IndexFunc(permissions, func(r PermissionRow) bool { return r.Permission == p })
	if i < 0 {
		return row, false
	}
	return permissions[i], true
}
