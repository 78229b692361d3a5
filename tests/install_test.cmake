# Installs the build into an empty prefix, builds examples/ against it with find_package(redknot),
# and runs what came out on a tiny random model where there is a tool to make one.
# Takes BUILD, SOURCE, WORK, COMPILER, FLAGS and MAKE_MODEL (may be empty).

function(must_succeed)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE code)
  if(NOT code EQUAL 0)
    message(FATAL_ERROR "failed with ${code}: ${ARGN}")
  endif()
endfunction()

file(REMOVE_RECURSE ${WORK})
must_succeed(${CMAKE_COMMAND} --install ${BUILD} --prefix ${WORK}/prefix)
must_succeed(${CMAKE_COMMAND} -S ${SOURCE}/examples -B ${WORK}/examples -G Ninja
  -D CMAKE_BUILD_TYPE=Release -D CMAKE_CXX_COMPILER=${COMPILER} "-DCMAKE_CXX_FLAGS=${FLAGS}"
  -D CMAKE_PREFIX_PATH=${WORK}/prefix)
must_succeed(${CMAKE_COMMAND} --build ${WORK}/examples)

if(MAKE_MODEL)
  must_succeed(${MAKE_MODEL} --shape tiny-llama --type F32 --seed 1 -o ${WORK}/tiny.gguf)
  must_succeed(${WORK}/examples/complete ${WORK}/tiny.gguf "Once upon a time" 8)
  must_succeed(${WORK}/prefix/bin/redknot run -m ${WORK}/tiny.gguf -p "Once upon a time" -n 8)
endif()
