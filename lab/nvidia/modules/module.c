/* What modinfo and depmod read from a kernel module. */
#define INFO(tag, text) static const char tag[] __attribute__((section(".modinfo"), used)) = #tag "=" text
INFO(name, MODNAME);
INFO(version, VERSION);
INFO(license, LICENSE);
INFO(vermagic, UTS_RELEASE " SMP preempt mod_unload modversions ");
