package backstay

import "slices"

// RoleName names a role: a built-in one, or the id of one that people made.
type RoleName string

// The built-in roles. The owner of an installation is who claimed it first; system administrators run the platform without
// reading data; the others are granted within projects.
const (
	RoleOwner             RoleName = "owner"
	RoleSystemAdmin       RoleName = "system-admin"
	RoleProjectAdmin      RoleName = "project-admin"
	RoleBackupManager     RoleName = "backup-manager"
	RoleOperator          RoleName = "operator"
	RoleRestorer          RoleName = "restorer"
	RoleMember            RoleName = "member"
	RoleViewer            RoleName = "viewer"
	RoleAuditor           RoleName = "auditor"
	RoleComplianceOfficer RoleName = "compliance-officer"
)

// builtIn is the order of the columns in the table of permissions.
var builtIn = []RoleName{RoleOwner, RoleSystemAdmin, RoleProjectAdmin, RoleBackupManager, RoleOperator, RoleRestorer, RoleMember, RoleViewer, RoleAuditor, RoleComplianceOfficer}

var roleTitles = map[RoleName][2]string{
	RoleOwner:             {"Owner (ROOT)", "Everything; the first account. For the day when nothing else helps."},
	RoleSystemAdmin:       {"System administrator (SUPER_ADMIN)", "Runs the server: people, roles, storages, plans. Reads no backed-up data."},
	RoleProjectAdmin:      {"Project administrator (ADMIN)", "Everything within a project, with its members' rights."},
	RoleBackupManager:     {"Backup manager", "Sources, storages, plans, restores."},
	RoleOperator:          {"Operator", "Starts, watches and verifies; changes no plan and reads no data."},
	RoleRestorer:          {"Restorer", "Finds and restores what was backed up."},
	RoleMember:            {"Member", "What is theirs: their sources, their runs, their files."},
	RoleViewer:            {"Viewer", "Sees states and reports."},
	RoleAuditor:           {"Auditor", "Reads reports and the audit trail; never names or content of files."},
	RoleComplianceOfficer: {"Compliance officer", "Protects snapshots, verifies, reads reports and the audit trail."},
}

// Role is a set of permissions that is granted as one.
type Role struct {
	Record
	Name        string       `json:"name" maxLength:"100" doc:"How people call it"`
	Help        string       `json:"help,omitempty" maxLength:"1000" doc:"A sentence: who it is for"`
	Permissions []Permission `json:"permissions" doc:"What it allows"`
	BuiltIn     bool         `json:"built_in" readOnly:"true" bun:"-" doc:"It can't be changed"`
}

// BuiltInRoles returns the roles that every installation has.
func BuiltInRoles() []Role {
	roles := make([]Role, 0, len(builtIn))
	for _, name := range builtIn {
		role := Role{Record: Record{ID: string(name)}, Name: roleTitles[name][0], Help: roleTitles[name][1], BuiltIn: true}
		for _, row := range permissions {
			if row.Of(name) != Never {
				role.Permissions = append(role.Permissions, row.Permission)
			}
		}
		roles = append(roles, role)
	}
	return roles
}

// Allowance returns how the role has a permission.
func (r Role) Allowance(p Permission) Allowance {
	row, ok := FindPermission(p)
	switch {
	case !ok:
		return Never
	case r.BuiltIn:
		return row.Of(RoleName(r.ID))
	case !slices.Contains(r.Permissions, p):
		return Never
	case row.Dangerous():
		return Fresh
	default:
		return Always
	}
}

// Check says what is wrong with a role that somebody made.
func (r Role) Check() error {
	if err := checkName("role", r.Name); err != nil {
		return err
	}
	for _, p := range r.Permissions {
		if _, ok := FindPermission(p); !ok {
			return Errorf(Invalid, "role %q: there is no permission %q", r.Name, p).WithHint("GET /api/v1/permissions lists them.").OnField("permissions")
		}
	}
	return nil
}
