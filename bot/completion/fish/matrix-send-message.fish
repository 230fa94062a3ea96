# fish completion for matrix-send-message; its options are read from --help.
function __matrix_send_message
	set -l previous (commandline -opc)[-1]
	set -l help (matrix-send-message --help 2>/dev/null)
	switch "$previous"
		case -s --severity
			printf '%s\n' critical warning info
		case --status
			printf '%s\n' firing resolved
		case -k --kind
			printf '%s\n' node_failed dag_failed violations error_rate command_failed message
		case '*'
			string replace -rf '^ +(?:-[a-zA-Z], )?(--[a-z-]+)(?: [A-Z=]+)?(?: +(.*))?$' (printf '$1\t$2') -- $help
	end
end

function __matrix_send_message_wants_file
	string match -qr -- '^(-c|--config|--socket|--spool)$' (commandline -opc)[-1]
		or contains -- -- (commandline -opc)
end

complete -c matrix-send-message -f -n 'not __matrix_send_message_wants_file' -a '(__matrix_send_message)'
complete -c matrix-send-message -F -n __matrix_send_message_wants_file
