package client

import "net/http"

// Prefix is the path that all operations are below.
const Prefix = "/api/v1"

// Operation is one thing that the API can do.
type Operation struct{ Method, Path string }

// The operations that are more than the five that nouns have alike.
var (
	Claim            = Operation{http.MethodPost, "/claim"}
	SignIn           = Operation{http.MethodPost, "/session"}
	SecondFactor     = Operation{http.MethodPost, "/session/code"}
	Confirm          = Operation{http.MethodPost, "/session/confirm"}
	UseLink          = Operation{http.MethodPost, "/link"}
	SignOut          = Operation{http.MethodDelete, "/session"}
	Profile          = Operation{http.MethodGet, "/profile"}
	UpdateProfile    = Operation{http.MethodPatch, "/profile"}
	ChangePassword   = Operation{http.MethodPut, "/profile/password"}
	BeginTOTP        = Operation{http.MethodPost, "/profile/totp"}
	ConfirmTOTP      = Operation{http.MethodPost, "/profile/totp/{id}"}
	RecoveryCodes    = Operation{http.MethodPost, "/profile/recovery-codes"}
	Settings         = Operation{http.MethodGet, "/settings"}
	UpdateSettings   = Operation{http.MethodPatch, "/settings"}
	Clock            = Operation{http.MethodGet, "/clock"}
	ConfirmClock     = Operation{http.MethodPost, "/clock/confirm"}
	StartPlan        = Operation{http.MethodPost, "/plans/{id}/start"}
	RunLog           = Operation{http.MethodGet, "/runs/{id}/log"}
	CancelRun        = Operation{http.MethodPost, "/runs/{id}/cancel"}
	RetryRun         = Operation{http.MethodPost, "/runs/{id}/retry"}
	Verify           = Operation{http.MethodPost, "/repositories/{id}/verify"}
	Prune            = Operation{http.MethodPost, "/repositories/{id}/prune"}
	Scan             = Operation{http.MethodPost, "/repositories/{id}/scan"}
	RevealPassword   = Operation{http.MethodGet, "/repositories/{id}/password"}
	RevealStorage    = Operation{http.MethodGet, "/storages/{id}/secrets"}
	RevealSource     = Operation{http.MethodGet, "/sources/{id}/secrets"}
	RecoveryKit      = Operation{http.MethodGet, "/recovery-kit"}
	ExportKit        = Operation{http.MethodPost, "/recovery-kit"}
	AcceptKitRisk    = Operation{http.MethodPost, "/recovery-kit/risk"}
	StorageKinds     = Operation{http.MethodGet, "/storage-kinds"}
	SourceKinds      = Operation{http.MethodGet, "/source-kinds"}
	ChannelKinds     = Operation{http.MethodGet, "/channel-kinds"}
	AuditSinkKinds   = Operation{http.MethodGet, "/audit-sink-kinds"}
	TestAuditSink    = Operation{http.MethodPost, "/audit-sinks/{id}/test"}
	ForgotPassword   = Operation{http.MethodPost, "/session/forgotten"}
	TestSource       = Operation{http.MethodPost, "/sources/{id}/test"}
	TestChannel      = Operation{http.MethodPost, "/channels/{id}/test"}
	Acknowledge      = Operation{http.MethodPost, "/alerts/{id}/acknowledge"}
	Search           = Operation{http.MethodGet, "/search"}
	History          = Operation{http.MethodGet, "/sources/{id}/history"}
	Entries          = Operation{http.MethodGet, "/snapshots/{id}/entries"}
	Content          = Operation{http.MethodGet, "/snapshots/{id}/content"}
	Download         = Operation{http.MethodGet, "/snapshots/{id}/download"}
	Diff             = Operation{http.MethodGet, "/snapshots/{id}/diff/{other}"}
	Protect          = Operation{http.MethodPost, "/snapshots/{id}/protect"}
	Unprotect        = Operation{http.MethodPost, "/snapshots/{id}/unprotect"}
	ModuleSnapshots  = Operation{http.MethodGet, "/modules/{id}/snapshots"}
	TestStorage      = Operation{http.MethodPost, "/storages/{id}/test"}
	Summary          = Operation{http.MethodGet, "/metrics/summary"}
	PlanRestore      = Operation{http.MethodPost, "/restores"}
	RestoreChanges   = Operation{http.MethodGet, "/restores/{id}/changes"}
	DecideRestore    = Operation{http.MethodPatch, "/restores/{id}/changes"}
	ApplyRestore     = Operation{http.MethodPost, "/restores/{id}/apply"}
	DiscardRestore   = Operation{http.MethodPost, "/restores/{id}/discard"}
	RestoreReport    = Operation{http.MethodGet, "/restores/{id}/report"}
	CreateLink       = Operation{http.MethodPost, "/users/{id}/link"}
	ListPermissions  = Operation{http.MethodGet, "/permissions"}
	AuditEvents      = Operation{http.MethodGet, "/audit-events"}
	VerifyAudit      = Operation{http.MethodPost, "/audit-events/verify"}
	SignAudit        = Operation{http.MethodPost, "/audit-events/head"}
	ExportAudit      = Operation{http.MethodGet, "/audit-events/export"}
	PreviewRetention = Operation{http.MethodPost, "/retention/preview"}
	ExplainRights    = Operation{http.MethodGet, "/users/{id}/rights"}

	Overview          = Operation{http.MethodGet, "/overview"}
	StorageUsage      = Operation{http.MethodGet, "/storages/{id}/usage"}
	RepositoryKeys    = Operation{http.MethodGet, "/repositories/{id}/keys"}
	AddKey            = Operation{http.MethodPost, "/repositories/{id}/keys"}
	RemoveKey         = Operation{http.MethodDelete, "/repositories/{id}/keys/{other}"}
	TagSnapshot       = Operation{http.MethodPost, "/snapshots/{id}/tags"}
	StartServerBackup = Operation{http.MethodPost, "/settings/backups"}
	ServerBackups     = Operation{http.MethodGet, "/settings/backups"}
)

// Operations lists them.
func Operations() []Operation {
	return []Operation{
		Claim,
		SignIn,
		SecondFactor,
		Confirm,
		UseLink,
		SignOut,
		Profile,
		UpdateProfile,
		ChangePassword,
		BeginTOTP,
		ConfirmTOTP,
		RecoveryCodes,
		Settings,
		UpdateSettings,
		Clock,
		ConfirmClock,
		StartPlan,
		RunLog,
		CancelRun,
		RetryRun,
		Verify,
		Prune,
		Scan,
		RevealPassword,
		RevealStorage,
		RevealSource,
		RecoveryKit,
		ExportKit,
		AcceptKitRisk,
		StorageKinds,
		SourceKinds,
		ChannelKinds,
		AuditSinkKinds,
		TestAuditSink,
		ForgotPassword,
		TestSource,
		TestChannel,
		Acknowledge,
		Search,
		History,
		Entries,
		Content,
		Download,
		Diff,
		Protect,
		Unprotect,
		ModuleSnapshots,
		TestStorage,
		Summary,
		PlanRestore,
		RestoreChanges,
		DecideRestore,
		ApplyRestore,
		DiscardRestore,
		RestoreReport,
		CreateLink,
		ListPermissions,
		AuditEvents,
		VerifyAudit,
		SignAudit,
		ExportAudit,
		StartServerBackup,
		ServerBackups,
		PreviewRetention,
		ExplainRights,
		Overview,
		StorageUsage,
		RepositoryKeys,
		AddKey,
		RemoveKey,
		TagSnapshot,
	}
}
