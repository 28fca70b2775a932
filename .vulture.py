# Names that are used where vulture cannot see it.
MAX_IMAGE_PIXELS  # read by Pillow
handlers, row_factory  # read by logging and by the database driver
pix_fmt, options, colorspace, color_primaries, color_trc, color_range  # read by PyAV
image_base64, image_url, revision  # fields of a request and of a model's description
LOADING_MODEL, UPLOADING  # words of the API
before, after  # what a move is
delivered_at, teardown  # a column that a model of the tables has; called by hypothesis
forward, do_classifier_free_guidance  # called by torch; read by the pipelines
index_for_timestep  # called by the scheduler itself
protocol_version, do_HEAD, do_PUT, close_connection, log_message  # read and called by http.server
do_POST  # called by it as well
connect_tcp, start_tls, get_extra_info  # called by httpcore2
timeout, local_address, socket_options  # passed by it
num_tickets  # read by ssl
send_400_response, disconnected, should_exit  # called and read by uvicorn
allow_unsafe  # read by its name, before the settings are whole
regex, to_string, redirect_slashes  # read and called by Starlette
pytest_terminal_summary  # called by pytest
input_reference, variant  # words of OpenAI's clients
